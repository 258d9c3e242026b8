// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"}' | filecheck %s
// The state begins at zero and stays on the chip: through l0a into the product with the weights, which fit l0b and are
// loaded once. The tanh after it stays outside.

// CHECK-LABEL: @rnn
// CHECK: visa.launch @recurrence_0
// CHECK: visa.launch @elementwise_0
// CHECK: visa.kernel @recurrence_0
// CHECK: visa.forall (%d) in (1) {
// CHECK: visa.copy "{n:16} b0(1), 0.0 !src(0)"
// CHECK: visa.load "{k:256} b0(1), b1[256*%0](1) !src(0)"
// CHECK: scf.for %t = %c0 to %c5 step %c1 {
// CHECK: visa.mov "{n:16} b0(1), b1(1) !src(0)"
// CHECK: visa.load "{n:16} b0(1), b1[16*%1+16*%0](1) !src(0)"
// CHECK: visa.mmad "{n:n 16, k:k 16} b0(1,0), b1(0,1), b2(1,16) !src(0)"
// CHECK: visa.drain "{n:16} b0(1), b1(1) !src(0)"
// CHECK: visa.add "{n:16} b0(1), b1(1), b2(1) !src(0)"
// CHECK: visa.tanh "{n:16} b0(1), b0(1) !src(0)"
// CHECK: visa.copy "{n:16} b0(1), b1(1) !src(0)"
// CHECK: visa.store "{n:16} b0[16*%1+16*%0](1), b1(1) !src(0)"
func.func @rnn(%x: tensor<5x1x16xf32>) -> tensor<5x1x1x16xf32> {
  %r = weights.constant dense<0.5> : tensor<1x16x16xf32>
  %0 = graph.recurrence rnn_tanh %x, %r : tensor<5x1x16xf32>, tensor<1x16x16xf32> {reverse = false} -> tensor<5x1x1x16xf32>
  %1 = graph.unary tanh %0 : (tensor<5x1x1x16xf32>) -> tensor<5x1x1x16xf32>
  func.return %1 : tensor<5x1x1x16xf32>
}
