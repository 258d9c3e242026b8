// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="%{root}/tests/support/tiny.toml"},multi-buffer,insert-events' --split-input-file | filecheck %s

// The loads of step i + 1 do not wait for the product of step i: each operand has two slots, and the event with which
// the matrix unit gives a slot back has a token for each at the beginning. The wait before a load and the signal after
// the product name the same slot, which is that of two steps ago. Two cores have a tile each: acc and t need one slot.

// CHECK-LABEL: @main
// CHECK: %t_free = visa.event "OUT" to "V" {slots = 1 : i64, tokens = 1 : i64}
// CHECK: %t_ready = visa.event "V" to "OUT" {slots = 1 : i64, tokens = 0 : i64}
// CHECK: %b_free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK: %b_ready = visa.event "IN" to "M" {slots = 2 : i64, tokens = 0 : i64}
// CHECK: %a_free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK: %a_ready = visa.event "IN" to "M" {slots = 2 : i64, tokens = 0 : i64}
// CHECK: %acc_free = visa.event "V" to "M" {slots = 1 : i64, tokens = 1 : i64}
// CHECK: %acc_ready = visa.event "M" to "V" {slots = 1 : i64, tokens = 0 : i64}
// CHECK: visa.forall (%m) in (2) {
// CHECK: %acc = visa.alloc : !visa.buffer<l0c, [8, 16], f32, 1>
// CHECK: visa.wait %acc_free[%0]
// CHECK: scf.for %k = %c0 to %c4 step %c1 {
// CHECK: %a = visa.alloc : !visa.buffer<l0a, [8, 16], f32, 2>
// CHECK: visa.wait %a_free[%3]
// CHECK: visa.load "{m:8, k:16} b0@(%1+4*%0)(16,1), b1[512*%3+16*%2](64,1) !src(0)"
// CHECK: visa.signal %a_ready[%3]
// CHECK: %b = visa.alloc : !visa.buffer<l0b, [16, 16], f32, 2>
// CHECK: visa.wait %b_free[%6]
// CHECK: visa.load "{k:256} b0@(%1+4*%0)(1), b1[256*%2](1) !src(0)"
// CHECK: visa.signal %b_ready[%6]
// CHECK: visa.wait %a_ready[%3]
// CHECK: visa.wait %b_ready[%6]
// CHECK: visa.mmad "{m:m 8, n:n 16, k:k 16} b0(16,1,0), b1@(%1+4*%0)(16,0,1), b2@(%3+4*%2)(0,1,16), zero=%4 !src(0)"
// CHECK: visa.signal %b_free[%6]
// CHECK: visa.signal %a_free[%3]
// CHECK: visa.signal %acc_ready[%0]
// CHECK: %t = visa.alloc : !visa.buffer<ub, [8, 16], f32, 1>
// CHECK: visa.wait %acc_ready[%0]
// CHECK: visa.wait %t_free[%8]
// CHECK: visa.drain "{m:128} b0(1), b1(1) !src(0)"
// CHECK: visa.signal %t_ready[%8]
// CHECK: visa.signal %acc_free[%0]
// CHECK: visa.wait %t_ready[%8]
// CHECK: visa.store "{m:128} b0[128*%0](1), b1(1) !src(0)"
// CHECK: visa.signal %t_free[%8]
func.func @main(%a: tensor<16x64xf32>, %b: tensor<64x16xf32>) -> tensor<16x16xf32> {
  %c = graph.matmul %a, %b : (tensor<16x64xf32>, tensor<64x16xf32>) -> tensor<16x16xf32>
  func.return %c : tensor<16x16xf32>
}
