func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  %y = graph.unary relu %x : (tensor<16xf32>) -> tensor<16xf32> loc("Relu_7")
  func.return %y : tensor<16xf32>
}
