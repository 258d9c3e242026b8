// RUN: vcc-opt %s -p order-kernels | filecheck %s

// No order is better than the one of the model, so nothing moves, not even the constant.

// CHECK-LABEL: func.func @main
// CHECK-NEXT:    %a = visa.launch @k(%x)
// CHECK-NEXT:    %b = visa.launch @k(%x)
// CHECK-NEXT:    %c = weights.constant
// CHECK-NEXT:    %d = visa.launch @k3(%a, %b, %c)
func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  %a = visa.launch @k(%x) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<16xf32>
  %b = visa.launch @k(%x) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<16xf32>
  %c = weights.constant dense<1.0> : tensor<16xf32>
  %d = visa.launch @k3(%a, %b, %c) {sources = [], taps = []} : (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  func.return %d : tensor<16xf32>
}
