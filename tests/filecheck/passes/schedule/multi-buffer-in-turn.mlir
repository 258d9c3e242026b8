// RUN: vcc-opt %s -p 'multi-buffer{target="host-avx512"}' | filecheck %s

// Pipes of a machine that does not overlap them take turns: loading ahead would win nothing, so no buffer gets a second slot.

// CHECK-LABEL: @copy
// CHECK: visa.forall (%i) in (64) {
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
// CHECK: visa.load "{j:16} b0(1), b1[16*%0](1)"
// CHECK: visa.store "{j:16} b0[16*%0](1), b1(1)"
visa.kernel @copy(%x: !visa.gm<f32, 1024, in>, %y: !visa.gm<f32, 1024, out>) sources 0 taps () {
  visa.forall (%i) in (64) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 1024, in>) [%i]
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 1024, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}
