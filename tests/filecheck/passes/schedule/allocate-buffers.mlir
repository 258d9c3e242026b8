// RUN: vcc-opt %s -p 'allocate-buffers{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// Buffers of a memory lie one behind the other, padded to 64 bytes, at the top of the kernel.

// CHECK-LABEL: @local
// CHECK: %t = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %u = visa.alloc {address = 64 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %v = visa.alloc {address = 128 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: visa.forall (%i) in (4) {
// CHECK: visa.load "{j:16} b0(1), b1[16*%0](1)"
// CHECK: visa.exp "{j:16} b0(1), b1(1)"
// CHECK: visa.add "{j:16} b0(1), b1(1), b1(1)"
// CHECK: visa.store "{j:16} b0[16*%0](1), b1(1)"
visa.kernel @local(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %u = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %v = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.exp "{j:16} b0(1), b1(1)" (%u, %t : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.add "{j:16} b0(1), b1(1), b1(1)" (%v, %u : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %v : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// Every memory begins at 0.

// CHECK-LABEL: @two
// CHECK: %t = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [3], f32, 2>
// CHECK: %u = visa.alloc {address = 0 : i64} : !visa.buffer<l1, [5], f32, 1>
// CHECK: %v = visa.alloc {address = 128 : i64} : !visa.buffer<ub, [1], f32, 1>
// CHECK: visa.forall (%i) in (4) {
visa.kernel @two(%x: !visa.gm<f32, 64, in>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %t = visa.alloc : !visa.buffer<ub, [3], f32, 2>
    %u = visa.alloc : !visa.buffer<l1, [5], f32, 1>
    %v = visa.alloc : !visa.buffer<ub, [1], f32, 1>
  }
}
