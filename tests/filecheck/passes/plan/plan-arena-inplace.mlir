// RUN: vcc-opt %s -p plan-arena | filecheck %s

// A result does not take the place of an operand that is read later (a), is an argument (x), is read by the launch in
// two ways (c), or has another layout (d).

// CHECK-LABEL: func.func @main
// CHECK:         %a = visa.launch @f(%x) {host.offsets = array<i64: 0>
// CHECK:         %b = visa.launch @f(%a) {host.offsets = array<i64: 128>
// CHECK:         %c = visa.launch @f(%a, %b) {host.offsets = array<i64: 256>
// CHECK:         %d = visa.launch @f(%c, %c) {host.offsets = array<i64: 0>
// CHECK:         %e = visa.launch @f(%d) {host.offsets = array<i64: 128>
func.func @main(%x: tensor<32xf32>) -> tensor<32xf32> {
  %a = visa.launch @f(%x) {sources = [], taps = [], inplace = [array<i64: 0, 0>]} : (tensor<32xf32>) -> tensor<32xf32>
  %b = visa.launch @f(%a) {sources = [], taps = [], inplace = [array<i64: 0, 0>]} : (tensor<32xf32>) -> tensor<32xf32>
  %c = visa.launch @f(%a, %b) {sources = [], taps = []} : (tensor<32xf32>, tensor<32xf32>) -> tensor<32xf32>
  %d = visa.launch @f(%c, %c) {sources = [], taps = [], inplace = [array<i64: 0, 0>]} : (tensor<32xf32>, tensor<32xf32>) -> tensor<2x16xf32, #graph.blocked<axis = 1, block = 8>>
  %e = visa.launch @f(%d) {sources = [], taps = [], inplace = [array<i64: 0, 0>]} : (tensor<2x16xf32, #graph.blocked<axis = 1, block = 8>>) -> tensor<32xf32>
  %y = visa.launch @f(%e) {sources = [], taps = []} : (tensor<32xf32>) -> tensor<32xf32>
  func.return %y : tensor<32xf32>
}
