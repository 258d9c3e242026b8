// RUN: vcc-opt %s -p plan-arena | filecheck %s

// a (64 bytes) and b (128 bytes) live together; c takes the place of b, which dies there, through the reshape b1.
// y is a result, and d, which the last launch turns into y, lies there too: neither is in the arena.

// CHECK-LABEL: func.func @main
// CHECK-SAME:    attributes {host.arena_bytes = 192 : i64, host.lower_bound = 192 : i64}
// CHECK:         %a = visa.launch @f(%x) {host.offsets = array<i64: 128>
// CHECK:         %b = visa.launch @f(%a) {host.offsets = array<i64: 0>
// CHECK:         %c = visa.launch @f(%b1) {host.offsets = array<i64: 0>
// CHECK:         %d = visa.launch @f(%c, %a) {host.offsets = array<i64: -1>
// CHECK:         %y = visa.launch @f(%d) {host.offsets = array<i64: -1>
func.func @main(%x: tensor<16xf32>) -> tensor<32xf32> {
  %a = visa.launch @f(%x) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<16xf32>
  %b = visa.launch @f(%a) {sources = [], taps = []} : (tensor<16xf32>) -> tensor<4x8xf32>
  %b1 = graph.reshape %b : (tensor<4x8xf32>) -> tensor<32xf32>
  %c = visa.launch @f(%b1) {sources = [], taps = [], inplace = [array<i64: 0, 0>]} : (tensor<32xf32>) -> tensor<32xf32>
  %d = visa.launch @f(%c, %a) {sources = [], taps = []} : (tensor<32xf32>, tensor<16xf32>) -> tensor<4x8xf32>
  %y = visa.launch @f(%d) {sources = [], taps = [], inplace = [array<i64: 0, 0>]} : (tensor<4x8xf32>) -> tensor<32xf32>
  func.return %y : tensor<32xf32>
}
