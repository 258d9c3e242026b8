func.func @main(%x: tensor<16xf32>) -> (tensor<16xf32> {onnx.name = "y"}, tensor<16xf32> {onnx.name = "z"}) {
  %y = visa.launch @f(%x) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<16xf32>
  func.return %y, %y : tensor<16xf32>, tensor<16xf32>
}
