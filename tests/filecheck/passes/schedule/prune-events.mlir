// RUN: vcc-opt %s -p 'multi-buffer{slots=2 target="%{root}/tests/support/tiny.toml"},insert-events,prune-events' --split-input-file | filecheck %s

// Both operands come through one pipe: when the second load is done, so is the first, and when the product is done, both
// may be overwritten. The arithmetic of the slots of events that went goes with them.

// CHECK-LABEL: @product
// CHECK-NEXT: %c_free = visa.event "V" to "M" {slots = 2 : i64, tokens = 1 : i64}
// CHECK-NEXT: %c_ready = visa.event "M" to "V" {slots = 2 : i64, tokens = 0 : i64}
// CHECK-NEXT: %b_ready = visa.event "IN" to "M" {slots = 2 : i64, tokens = 0 : i64}
// CHECK-NEXT: %a_free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK-NEXT: visa.forall
// CHECK: visa.wait %a_free[%i]
// CHECK-NEXT: visa.load
// CHECK-NEXT: visa.load
// CHECK-NEXT: visa.signal %b_ready[%i]
// CHECK-NEXT: visa.wait %b_ready[%i]
// CHECK-NEXT: visa.wait %c_free[%i]
// CHECK-NEXT: visa.mmad
// CHECK-NEXT: visa.signal %c_ready[%i]
// CHECK-NEXT: visa.signal %a_free[%i]
// CHECK-NEXT: visa.wait %c_ready[%i]
// CHECK-NEXT: visa.drain
// CHECK-NEXT: visa.signal %c_free[%i]
visa.kernel @product(%x: !visa.gm<f32, 64, in>, %w: !visa.gm<f32, 64, in>) sources 0 taps () {
  visa.forall (%i) in (8) {
    %a = visa.alloc : !visa.buffer<l0a, [16], f32, 1>
    %b = visa.alloc : !visa.buffer<l0b, [16], f32, 1>
    %c = visa.alloc : !visa.buffer<l0c, [16], f32, 1>
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1(1)" (%a, %x : !visa.buffer<l0a, [16], f32, 1>, !visa.gm<f32, 64, in>)
    visa.load "{j:16} b0(1), b1(1)" (%b, %w : !visa.buffer<l0b, [16], f32, 1>, !visa.gm<f32, 64, in>)
    visa.mmad "{m:m 4, n:n 4, k:k 4} b0(4,1,0), b1(4,0,1), b2(0,1,4)" (%c, %a, %b : !visa.buffer<l0c, [16], f32, 1>, !visa.buffer<l0a, [16], f32, 1>, !visa.buffer<l0b, [16], f32, 1>)
    visa.drain "{j:16} b0(1), b1(1)" (%t, %c : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<l0c, [16], f32, 1>)
  }
}

// -----

// Over three pipes: the store is after the sum, which is after both loads. So whoever may overwrite t after the store
// may overwrite u too.

// CHECK-LABEL: @through
// CHECK-NEXT: %u_ready = visa.event "IN" to "V" {slots = 2 : i64, tokens = 0 : i64}
// CHECK-NEXT: %t_free = visa.event "OUT" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK-NEXT: %t_ready = visa.event "V" to "OUT" {slots = 2 : i64, tokens = 0 : i64}
// CHECK-NEXT: visa.forall
visa.kernel @through(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (8) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %u = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>)
    visa.load "{j:16} b0(1), b1(1)" (%u, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>)
    visa.add "{j:16} b0(1), b0(1), b1(1)" (%t, %u : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.store "{j:16} b0[8*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// The load of u comes before that of t, which waits for the last store: u's own event cannot go.

// CHECK-LABEL: @earlier
// CHECK: %t_free = visa.event "OUT" to "IN"
// CHECK: %u_free = visa.event "V" to "IN"
visa.kernel @earlier(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (8) {
    %u = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1(1)" (%u, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>)
    visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>)
    visa.add "{j:16} b0(1), b0(1), b1(1)" (%t, %u : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.store "{j:16} b0[8*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// One slot: the load waits for the last iteration. Two slots: for the one before it, which that does not imply the
// other way round. u has no room for two slots, t has.

// CHECK-LABEL: @slots
// CHECK: %u_free = visa.event "V" to "IN" {slots = 1 : i64, tokens = 1 : i64}
// CHECK: %t_free = visa.event "OUT" to "IN" {slots = 2 : i64, tokens = 1 : i64}
visa.kernel @slots(%x: !visa.gm<f32, 2048, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (8) {
    %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %u = visa.alloc : !visa.buffer<ub, [1500], f32, 1>
    visa.load "{j:16} b0(1), b1(1)" (%t, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 2048, in>)
    visa.load "{j:1500} b0(1), b1(1)" (%u, %x : !visa.buffer<ub, [1500], f32, 1>, !visa.gm<f32, 2048, in>)
    visa.add "{j:16} b0(1), b0(1), b1(1)" (%t, %u : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [1500], f32, 1>)
    visa.store "{j:16} b0[8*%0](1), b1(1)" (%y, %t : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}
