// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target=vn1}' --split-input-file | filecheck %s

// Kernels that are equal but for their operands are lowered once; constants in panels take the place of the weights.

// CHECK-LABEL: @shared
// CHECK-NOT: graph.matmul
// CHECK: %0 = weights.constant #weights.blob<"fe9633f9d700c1d11590435e1c26c3d4b7d73178d06c28b70380c402d1386471"> : tensor<128xf32>
// CHECK: %a = visa.launch @matmul_0(%x, %0) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<4x8xf32>, tensor<128xf32>) -> tensor<4x16xf32>
// CHECK: %b = visa.launch @matmul_0(%y, %0) {sources = {{\[\[}}{{\]\]}}, taps = []{{.*}} : (tensor<4x8xf32>, tensor<128xf32>) -> tensor<4x16xf32>
// CHECK: visa.kernel @matmul_0(%x0: !visa.gm<f32, 32, in>, %x1: !visa.gm<f32, 128, in>, %y: !visa.gm<f32, 64, out>) sources 1 taps () {
// CHECK-NOT: graph.matmul
func.func @shared(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %w = weights.constant dense<1.0> : tensor<8x16xf32>
  %a = graph.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %b = graph.matmul %y, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  func.return %a, %b : tensor<4x16xf32>, tensor<4x16xf32>
}

// -----

// An elementwise kernel may overwrite an operand of its result's type; a call of the host stays.

// CHECK-LABEL: @in_place
// CHECK: %a = visa.launch @elementwise_0(%x) {sources = {{\[\[}}{{\]\]}}, taps = [], inplace = [array<i64: 0, 0>]{{.*}} : (tensor<4x8xf32>) -> tensor<4x8xf32>
// CHECK: %h = graph.host "Unique" %a {domain = "", version = 11 : i64, attributes = {}, inputs = array<i64: 0>, outputs = array<i64: 0>, reason = "no kernel"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
// CHECK: visa.kernel @elementwise_0(%x0: !visa.gm<f32, 32, in>, %y: !visa.gm<f32, 32, out>) sources 1 taps () {
func.func @in_place(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %a = graph.unary exp %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %h = graph.host "Unique" %a {domain = "", version = 11 : i64, attributes = {}, inputs = array<i64: 0>, outputs = array<i64: 0>, reason = "no kernel"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  func.return %h : tensor<4x8xf32>
}
