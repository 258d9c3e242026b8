// RUN: vcc-opt %s -p order-kernels | filecheck %s

// A concatenation of two results of one launch goes behind it, once.

// CHECK-LABEL: func.func @main
// CHECK-NEXT:    %b = visa.launch @wider(%x)
// CHECK-NEXT:    %b1 = visa.launch @narrow(%b)
// CHECK-NEXT:    %a, %a1 = visa.launch @wide(%x)
// CHECK-NEXT:    %a2 = graph.concat %a, %a1
// CHECK-NEXT:    %a3 = visa.launch @narrow(%a2)
// CHECK-NEXT:    %y = visa.launch @add(%a3, %b1)
// CHECK-NEXT:    func.return %y
func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  %b = visa.launch @wider(%x) {sources = [["B"]], taps = []} : (tensor<16xf32>) -> tensor<8x128xf32>
  %a, %a1 = visa.launch @wide(%x) {sources = [["A"]], taps = []} : (tensor<16xf32>) -> (tensor<4x128xf32>, tensor<4x128xf32>)
  %a2 = graph.concat %a, %a1 {axis = 0 : i64} : (tensor<4x128xf32>, tensor<4x128xf32>) -> tensor<8x128xf32>
  %a3 = visa.launch @narrow(%a2) {sources = [["A2"]], taps = []} : (tensor<8x128xf32>) -> tensor<16xf32>
  %b1 = visa.launch @narrow(%b) {sources = [["B2"]], taps = []} : (tensor<8x128xf32>) -> tensor<16xf32>
  %y = visa.launch @add(%a3, %b1) {sources = [["Y"]], taps = []} : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  func.return %y : tensor<16xf32>
}
