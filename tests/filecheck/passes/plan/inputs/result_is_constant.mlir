func.func @main() -> tensor<1xf32> {
  %y = weights.constant dense<1.0> : tensor<1xf32>
  func.return %y : tensor<1xf32>
}
