// RUN: vcc-opt %s -p 'allocate-buffers{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// Buffers of a memory lie one behind the other, padded to 64 bytes, at the top of the kernel; those of one pipe last.

// CHECK-LABEL: @local
// CHECK: %t = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %u = visa.alloc {address = 128 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %v = visa.alloc {address = 64 : i64} : !visa.buffer<ub, [16], f32, 1>
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

// -----

// What the vector pipe alone touches shares bytes with what is dead by then: c with a, but not b, which it is made of.
// The last instruction that reads a value and the first that writes another are never the same for one place.

// CHECK-LABEL: @share
// CHECK: %a = visa.alloc {address = 64 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %b = visa.alloc {address = 128 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %c = visa.alloc {address = 64 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %t = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [16], f32, 1>
visa.kernel @share(%y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %a = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %b = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %c = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.copy "{j:16} b0(1), 1.0" (%a : !visa.buffer<ub, [16], f32, 1>)
    visa.exp "{j:16} b0(1), b1(1)" (%b, %a : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.exp "{j:16} b0(1), b1(1)" (%c, %b : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.add "{j:16} b0(1), b1(1), b2(1)" (%t, %b, %c : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// a is alive during the whole loop, since the next iteration reads it again; d, which comes after it, may have its place.
// b and c take turns within an iteration.

// CHECK-LABEL: @loop
// CHECK: %a = visa.alloc {address = 64 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %d = visa.alloc {address = 64 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %b = visa.alloc {address = 128 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %c = visa.alloc {address = 128 : i64} : !visa.buffer<ub, [16], f32, 1>
visa.kernel @loop(%y: !visa.gm<f32, 64, out>) sources 0 taps () {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %a = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  %d = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.copy "{j:16} b0(1), 1.0" (%a : !visa.buffer<ub, [16], f32, 1>)
  scf.for %i = %zero to %four step %one {
    %b = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %c = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.exp "{j:16} b0(1), b1(1)" (%b, %a : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.exp "{j:16} b0(1), b0(1)" (%b : !visa.buffer<ub, [16], f32, 1>)
    visa.copy "{j:16} b0(1), 1.0" (%c : !visa.buffer<ub, [16], f32, 1>)
    visa.exp "{j:16} b0(1), b1(1)" (%t, %c : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
  }
  visa.copy "{j:16} b0(1), 1.0" (%d : !visa.buffer<ub, [16], f32, 1>)
  visa.add "{j:16} b0(1), b1(1), b1(1)" (%t, %d : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
  visa.store "{j:16} b0(1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>)
}

// -----

// Two pipes touch t and u: the load of the next t may already run while u is stored, so they do not share.

// CHECK-LABEL: @two_pipes
// CHECK: %t = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %u = visa.alloc {address = 64 : i64} : !visa.buffer<ub, [16], f32, 1>
visa.kernel @two_pipes(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %u = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%u, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %u : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}
