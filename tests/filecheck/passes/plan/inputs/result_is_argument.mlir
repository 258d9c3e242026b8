func.func @main(%x: tensor<4x4xf32>) -> (tensor<16xf32> {onnx.name = "y"}) {
  %y = graph.reshape %x : (tensor<4x4xf32>) -> tensor<16xf32>
  func.return %y : tensor<16xf32>
}
