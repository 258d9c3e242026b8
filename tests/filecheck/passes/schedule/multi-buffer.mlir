// RUN: vcc-opt %s -p 'multi-buffer{target="%{root}/tests/support/tiny.toml"}' --split-input-file | filecheck %s

// The load fills one slot while the store reads the other.

// CHECK-LABEL: @copy
// CHECK: visa.forall (%i) in (4) {
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 2>
// CHECK: visa.load "{j:16} b0@%0(1), b1[16*%1](1)"
// CHECK: visa.store "{j:16} b0[16*%0](1), b1@%1(1)"
visa.kernel @copy(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// What only the vector pipe touches needs one slot.

// CHECK-LABEL: @local
// CHECK: visa.forall (%i) in (4) {
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 2>
// CHECK: %u = visa.alloc : !visa.buffer<ub, [16], f32, 1>
// CHECK: %v = visa.alloc : !visa.buffer<ub, [16], f32, 2>
// CHECK: visa.load "{j:16} b0@%0(1), b1[16*%1](1)"
// CHECK: visa.exp "{j:16} b0(1), b1@%0(1)"
// CHECK: visa.add "{j:16} b0@%0(1), b1(1), b1(1)"
// CHECK: visa.store "{j:16} b0[16*%0](1), b1@%1(1)"
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

// Without a loop there is no next iteration.

// CHECK-LABEL: @once
// CHECK-NOT: f32, 2>
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
// CHECK: visa.load "{j:16} b0(1), b1(1)"
// CHECK: visa.store "{j:16} b0(1), b1(1)"
// CHECK-NOT: f32, 2>
visa.kernel @once(%x: !visa.gm<f32, 16, in>, %y: !visa.gm<f32, 16, out>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 16, in>)
  visa.store "{j:16} b0(1), b1(1)" (%y, %t : !visa.gm<f32, 16, out>, !visa.buffer<ub, [16], f32, 1>)
}

// -----

// Two slots of 6016 bytes do not fit 8192.

// CHECK-LABEL: @large
// CHECK-NOT: f32, 2>
// CHECK: visa.forall (%i) in (4) {
// CHECK: %t = visa.alloc : !visa.buffer<ub, [1500], f32, 1>
// CHECK: visa.load "{j:1500} b0(1), b1[1500*%0](1)"
// CHECK: visa.store "{j:1500} b0[1500*%0](1), b1(1)"
// CHECK-NOT: f32, 2>
visa.kernel @large(%x: !visa.gm<f32, 6000, in>, %y: !visa.gm<f32, 6000, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %t = visa.alloc : !visa.buffer<ub, [1500], f32, 1>
    visa.load "{j:1500} b0(1), b1[1500*%0](1)" (%t, %x : !visa.buffer<ub, [1500], f32, 1>, !visa.gm<f32, 6000, in>) [%i]
    visa.store "{j:1500} b0[1500*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 6000, out>, !visa.buffer<ub, [1500], f32, 1>) [%i]
  }
}

// -----

// Three cores have an iteration each, so there is no next one.

// CHECK-LABEL: @once_a_core
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
visa.kernel @once_a_core(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (3) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// A load takes 13 cycles. Between the last exp of a tile (8 cycles) and the first of the next are 16 more, in which
// nothing gives slots back: with a third slot, loads go on all the while.

// CHECK-LABEL: @pause
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 3>
visa.kernel @pause(%x: !visa.gm<f32, 4096, in>) sources 0 taps () {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %trips = arith.constant 16 : index
  visa.forall (%i) in (8) {
    %s = visa.alloc : !visa.buffer<ub, [48], f32, 1>
    scf.for %k = %zero to %trips step %one {
      %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
      visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 4096, in>)
      visa.exp "{j:16} b0(1), b1(1)" (%s, %t : !visa.buffer<ub, [48], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    }
    visa.exp "{j:48} b0(1), b0(1)" (%s : !visa.buffer<ub, [48], f32, 1>)
  }
}

// -----

// Here they are 196; more than four slots are never taken.

// CHECK-LABEL: @long_pause
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 4>
visa.kernel @long_pause(%x: !visa.gm<f32, 4096, in>) sources 0 taps () {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %trips = arith.constant 16 : index
  visa.forall (%i) in (8) {
    %s = visa.alloc : !visa.buffer<ub, [768], f32, 1>
    scf.for %k = %zero to %trips step %one {
      %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
      visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 4096, in>)
      visa.exp "{j:16} b0(1), b1(1)" (%s, %t : !visa.buffer<ub, [768], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    }
    visa.exp "{j:768} b0(1), b0(1)" (%s : !visa.buffer<ub, [768], f32, 1>)
  }
}
