// RUN: vcc-opt %s -p order-kernels | filecheck %s

// Two wide branches that a narrow result each leaves behind: one after the other needs half of both at once.
// The reshape goes with what it is a reshape of, and constants come first.

// CHECK-LABEL: func.func @main
// CHECK-NEXT:    weights.constant
// CHECK-NEXT:    %a = visa.launch @wide(%x)
// CHECK-NEXT:    %a1 = graph.reshape %a
// CHECK-NEXT:    %a2 = visa.launch @narrow(%a1)
// CHECK-NEXT:    %b = visa.launch @wide(%x)
// CHECK-NEXT:    %b1 = graph.reshape %b
// CHECK-NEXT:    %b2 = visa.launch @narrow(%b1)
// CHECK-NEXT:    %y = visa.launch @add(%a2, %b2, %c)
// CHECK-NEXT:    func.return %y
func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  %a = visa.launch @wide(%x) {sources = [["A"]], taps = []} : (tensor<16xf32>) -> tensor<8x128xf32>
  %b = visa.launch @wide(%x) {sources = [["B"]], taps = []} : (tensor<16xf32>) -> tensor<8x128xf32>
  %c = weights.constant dense<1.0> : tensor<16xf32>
  %a1 = graph.reshape %a : (tensor<8x128xf32>) -> tensor<1024xf32>
  %b1 = graph.reshape %b : (tensor<8x128xf32>) -> tensor<1024xf32>
  %a2 = visa.launch @narrow(%a1) {sources = [["A2"]], taps = []} : (tensor<1024xf32>) -> tensor<16xf32>
  %b2 = visa.launch @narrow(%b1) {sources = [["B2"]], taps = []} : (tensor<1024xf32>) -> tensor<16xf32>
  %y = visa.launch @add(%a2, %b2, %c) {sources = [["Y"]], taps = []} : (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  func.return %y : tensor<16xf32>
}
