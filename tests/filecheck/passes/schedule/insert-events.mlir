// RUN: vcc-opt %s -p 'multi-buffer{target="%{root}/tests/support/tiny.toml"},insert-events' --split-input-file | filecheck %s

// Both slots are free at the beginning: the load of iteration i waits for the store of iteration i - 2 alone.

// CHECK-LABEL: @copy
// CHECK: %t_free = visa.event "OUT" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK: %t_ready = visa.event "IN" to "OUT" {slots = 2 : i64, tokens = 0 : i64}
// CHECK: visa.forall (%i) in (4) {
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 2>
// CHECK: visa.wait %t_free[%i]
// CHECK: visa.load "{j:16} b0@%0(1), b1[16*%1](1)"
// CHECK: visa.signal %t_ready[%i]
// CHECK: visa.wait %t_ready[%i]
// CHECK: visa.store "{j:16} b0[16*%0](1), b1@%1(1)"
// CHECK: visa.signal %t_free[%i]
visa.kernel @copy(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// One iteration: nothing has to become free.

// CHECK-LABEL: @once
// CHECK-NOT: _free
// CHECK: %t_ready = visa.event "IN" to "OUT" {slots = 1 : i64, tokens = 0 : i64}
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
// CHECK: visa.load "{j:16} b0(1), b1(1)"
// CHECK: visa.signal %t_ready[%0]
// CHECK: visa.wait %t_ready[%0]
// CHECK: visa.store "{j:16} b0(1), b1(1)"
// CHECK-NOT: _free
visa.kernel @once(%x: !visa.gm<f32, 16, in>, %y: !visa.gm<f32, 16, out>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 16, in>)
  visa.store "{j:16} b0(1), b1(1)" (%y, %t : !visa.gm<f32, 16, out>, !visa.buffer<ub, [16], f32, 1>)
}

// -----

// Instructions of one pipe are in order as they are: u has no event.

// CHECK-LABEL: @local
// CHECK-NOT: %u_ready
// CHECK: %v_free = visa.event "OUT" to "V" {slots = 2 : i64, tokens = 1 : i64}
// CHECK: %v_ready = visa.event "V" to "OUT" {slots = 2 : i64, tokens = 0 : i64}
// CHECK: %t_free = visa.event "V" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK: %t_ready = visa.event "IN" to "V" {slots = 2 : i64, tokens = 0 : i64}
// CHECK: visa.forall (%i) in (4) {
// CHECK: %t = visa.alloc : !visa.buffer<ub, [16], f32, 2>
// CHECK: %u = visa.alloc : !visa.buffer<ub, [16], f32, 1>
// CHECK: %v = visa.alloc : !visa.buffer<ub, [16], f32, 2>
// CHECK: visa.wait %t_free[%i]
// CHECK: visa.load "{j:16} b0@%0(1), b1[16*%1](1)"
// CHECK: visa.signal %t_ready[%i]
// CHECK: visa.wait %t_ready[%i]
// CHECK: visa.exp "{j:16} b0(1), b1@%0(1)"
// CHECK: visa.signal %t_free[%i]
// CHECK: visa.wait %v_free[%i]
// CHECK: visa.add "{j:16} b0@%0(1), b1(1), b1(1)"
// CHECK: visa.signal %v_ready[%i]
// CHECK: visa.wait %v_ready[%i]
// CHECK: visa.store "{j:16} b0[16*%0](1), b1@%1(1)"
// CHECK: visa.signal %v_free[%i]
// CHECK-NOT: %u_ready
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

// State that a loop carries from one pipe to another: the loop is one run to what is around it, with a chain within.

// CHECK-LABEL: @carried
// CHECK: visa.load
// CHECK: visa.signal %t_ready_1[%0]
// CHECK: visa.wait %t_ready_1[%0]
// CHECK: scf.for
// CHECK: visa.wait %t_free[%0]
// CHECK: visa.exp
// CHECK: visa.signal %t_ready[%0]
// CHECK: visa.wait %t_ready[%0]
// CHECK: visa.store
// CHECK: visa.signal %t_free[%0]
visa.kernel @carried(%x: !visa.gm<f32, 16, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 16, in>)
  scf.for %i = %zero to %four step %one {
    visa.exp "{j:16} b0(1), b0(1)" (%t : !visa.buffer<ub, [16], f32, 1>)
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// A forall in a loop: cores meet at its end with idle pipes, so slots are numbered by its iterations alone, and the load of
// what the step before stored in global memory needs no event.

// CHECK-LABEL: @steps
// CHECK-COUNT-2: visa.event
// CHECK-NOT: visa.event
// CHECK: scf.for %t
// CHECK: visa.forall (%i) in (8) {
// CHECK: visa.wait %s_free[%i]
// CHECK: visa.load "{j:16} b0@%0(1), b1[128*%2+16*%1](1)"
// CHECK: visa.signal %s_ready[%i]
// CHECK: visa.wait %s_ready[%i]
// CHECK: visa.store "{j:16} b0[128*%1+16*%0+128](1), b1@%2(1)"
// CHECK: visa.signal %s_free[%i]
visa.kernel @steps(%y: !visa.gm<f32, 640, inout>) sources 0 taps () {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  scf.for %t = %zero to %four step %one {
    visa.forall (%i) in (8) {
      %s = visa.alloc : !visa.buffer<ub, [16], f32, 1>
      visa.load "{j:16} b0(1), b1[16*%0+128*%1](1)" (%s, %y : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 640, inout>) [%i, %t]
      visa.store "{j:16} b0[16*%0+128*%1+128](1), b1(1)" (%y, %s : !visa.gm<f32, 640, inout>, !visa.buffer<ub, [16], f32, 1>) [%i, %t]
    }
  }
}
