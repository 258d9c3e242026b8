func.func @main(%x: tensor<16xf32>) -> tensor<2x16xf32> {
  %a = visa.launch @f(%x) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<2x16xf32, #graph.blocked<axis = 1, block = 8>>
  %y = graph.reshape %a : (tensor<2x16xf32, #graph.blocked<axis = 1, block = 8>>) -> tensor<2x16xf32>
  func.return %y : tensor<2x16xf32>
}
