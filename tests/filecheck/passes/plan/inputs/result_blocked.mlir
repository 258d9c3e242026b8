func.func @main(%x: tensor<16xf32>) -> tensor<2x16xf32, #graph.blocked<axis = 1, block = 8>> {
  %a = visa.launch @f(%x) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<2x16xf32, #graph.blocked<axis = 1, block = 8>>
  func.return %a : tensor<2x16xf32, #graph.blocked<axis = 1, block = 8>>
}
