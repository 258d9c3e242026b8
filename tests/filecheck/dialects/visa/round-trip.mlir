// RUN: vcc-opt %s | vcc-opt | filecheck %s

// CHECK:      visa.kernel @product(%a: !visa.gm<f32, 512, in>, %b: !visa.gm<f32, 256, in>, %y: !visa.gm<f32, 512, out>) sources 1 taps (tensor<32x16xf32>) {
// CHECK-NEXT:   %at = visa.alloc {address = 0 : i64} : !visa.buffer<l0a, [16, 16], f32, 2>
// CHECK-NEXT:   %bt = visa.alloc : !visa.buffer<l0b, [16, 16], f32, 1>
// CHECK-NEXT:   %acc = visa.alloc : !visa.buffer<l0c, [16, 16], f32, 1>
// CHECK-NEXT:   %yt = visa.alloc : !visa.buffer<ub, [16, 16], f32, 1>
// CHECK-NEXT:   %free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK-NEXT:   visa.forall (%i) in (2) {
// CHECK-NEXT:     visa.wait %free[%i]
// CHECK-NEXT:     visa.load "{k:256} b0@%0(1), b1[256*%0](1) !src(0)" (%at, %a : !visa.buffer<l0a, [16, 16], f32, 2>, !visa.gm<f32, 512, in>) [%i]
// CHECK-NEXT:     visa.load "{k:256 in 0..255} b0(1), b1(1), fill=1.0 !src(0)" (%bt, %b : !visa.buffer<l0b, [16, 16], f32, 1>, !visa.gm<f32, 256, in>)
// CHECK-NEXT:     visa.mmad "{m:m 16, n:n 16, k:k 16} b0(16,1,0), b1@%0(16,0,1), b2(0,1,16), zero=0 !src(0)" (%acc, %at, %bt : !visa.buffer<l0c, [16, 16], f32, 1>, !visa.buffer<l0a, [16, 16], f32, 2>, !visa.buffer<l0b, [16, 16], f32, 1>) [%i]
// CHECK-NEXT:     visa.signal %free[%i]
// CHECK-NEXT:     visa.drain "{m:256} b0(1), b1(1), act=relu !src(0) !tap 0[256*%0](1)" (%yt, %acc : !visa.buffer<ub, [16, 16], f32, 1>, !visa.buffer<l0c, [16, 16], f32, 1>) [%i]
// CHECK-NEXT:     visa.mul "{m:256} b0(1), b0(1), 0.5 when=%0" (%yt : !visa.buffer<ub, [16, 16], f32, 1>) [%i]
// CHECK-NEXT:     visa.store "{m:256} b0[256*%0](1), b1(1)" (%y, %yt : !visa.gm<f32, 512, out>, !visa.buffer<ub, [16, 16], f32, 1>) [%i]
// CHECK-NEXT:   }
// CHECK-NEXT: }
visa.kernel @product(%a: !visa.gm<f32, 512, in>, %b: !visa.gm<f32, 256, in>, %y: !visa.gm<f32, 512, out>) sources 1 taps (tensor<32x16xf32>) {
  %at = visa.alloc {address = 0 : i64} : !visa.buffer<l0a, [16, 16], f32, 2>
  %bt = visa.alloc : !visa.buffer<l0b, [16, 16], f32, 1>
  %acc = visa.alloc : !visa.buffer<l0c, [16, 16], f32, 1>
  %yt = visa.alloc : !visa.buffer<ub, [16, 16], f32, 1>
  %free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
  visa.forall (%i) in (2) {
    visa.wait %free[%i]
    visa.load "{k:256} b0@%0(1), b1[256*%0](1) !src(0)" (%at, %a : !visa.buffer<l0a, [16, 16], f32, 2>, !visa.gm<f32, 512, in>) [%i]
    visa.load "{k:256 in 0..255} b0(1), b1(1), fill=1.0 !src(0)" (%bt, %b : !visa.buffer<l0b, [16, 16], f32, 1>, !visa.gm<f32, 256, in>)
    visa.mmad "{m:m 16, n:n 16, k:k 16} b0(16,1,0), b1@%0(16,0,1), b2(0,1,16), zero=0 !src(0)" (%acc, %at, %bt : !visa.buffer<l0c, [16, 16], f32, 1>, !visa.buffer<l0a, [16, 16], f32, 2>, !visa.buffer<l0b, [16, 16], f32, 1>) [%i]
    visa.signal %free[%i]
    visa.drain "{m:256} b0(1), b1(1), act=relu !src(0) !tap 0[256*%0](1)" (%yt, %acc : !visa.buffer<ub, [16, 16], f32, 1>, !visa.buffer<l0c, [16, 16], f32, 1>) [%i]
    visa.mul "{m:256} b0(1), b0(1), 0.5 when=%0" (%yt : !visa.buffer<ub, [16, 16], f32, 1>) [%i]
    visa.store "{m:256} b0[256*%0](1), b1(1)" (%y, %yt : !visa.gm<f32, 512, out>, !visa.buffer<ub, [16, 16], f32, 1>) [%i]
  }
}

// CHECK: %y = visa.launch @product(%a, %b) {sources = {{\[\[}}"MatMul_0"{{\]\]}}, taps = ["c"], inplace = [array<i64: 0, 0>]} : (tensor<32x16xf32>, tensor<16x16xf32>) -> tensor<32x16xf32>
func.func @main(%a: tensor<32x16xf32>, %b: tensor<16x16xf32>) -> tensor<32x16xf32> {
  %y = visa.launch @product(%a, %b) {sources = [["MatMul_0"]], taps = ["c"], inplace = [array<i64: 0, 0>]} : (tensor<32x16xf32>, tensor<16x16xf32>) -> tensor<32x16xf32>
  func.return %y : tensor<32x16xf32>
}
