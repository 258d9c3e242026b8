// RUN: vcc-opt %s -p prune-events --split-input-file | filecheck %s

// Three slots for a, two for b, which is larger. The load of a in iteration i comes after that of b in i - 1, which waits
// for the product of i - 3: a's own event tells nothing new.

// CHECK-LABEL: @across
// CHECK-NEXT: %b_free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
// CHECK-NEXT: %ready = visa.event "IN" to "M" {slots = 2 : i64, tokens = 0 : i64}
// CHECK-NEXT: visa.forall (%i) in (8) {
// CHECK-NEXT: %a = visa.alloc
// CHECK-NEXT: %b = visa.alloc
// CHECK-NEXT: %c = visa.alloc
// CHECK-NEXT: visa.load
// CHECK-NEXT: visa.wait %b_free[%i]
visa.kernel @across(%x: !visa.gm<f32, 400, in>) sources 0 taps () {
  %a_free = visa.event "M" to "IN" {slots = 3 : i64, tokens = 1 : i64}
  %b_free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
  %ready = visa.event "IN" to "M" {slots = 2 : i64, tokens = 0 : i64}
  visa.forall (%i) in (8) {
    %a = visa.alloc : !visa.buffer<l0a, [16], f32, 3>
    %b = visa.alloc : !visa.buffer<l0b, [400], f32, 2>
    %c = visa.alloc : !visa.buffer<l0c, [16], f32, 1>
    visa.wait %a_free[%i]
    visa.load "{j:16} b0@%0(1), b1(1)" (%a, %x : !visa.buffer<l0a, [16], f32, 3>, !visa.gm<f32, 400, in>) [%i]
    visa.wait %b_free[%i]
    visa.load "{j:400} b0@%0(1), b1(1)" (%b, %x : !visa.buffer<l0b, [400], f32, 2>, !visa.gm<f32, 400, in>) [%i]
    visa.signal %ready[%i]
    visa.wait %ready[%i]
    visa.mmad "{m:m 4, n:n 4, k:k 4} b0(4,1,0), b1@%0(4,0,1), b2@%0(0,1,4)" (%c, %a, %b : !visa.buffer<l0c, [16], f32, 1>, !visa.buffer<l0a, [16], f32, 3>, !visa.buffer<l0b, [400], f32, 2>) [%i]
    visa.signal %a_free[%i]
    visa.signal %b_free[%i]
  }
}

// -----

// The same with slots that are not numbered by the iteration: nobody knows how long ago the token was given.

// CHECK-LABEL: @otherwise
// CHECK-NEXT: %a_free = visa.event "M" to "IN" {slots = 3 : i64, tokens = 1 : i64}
// CHECK-NEXT: %b_free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
visa.kernel @otherwise(%x: !visa.gm<f32, 400, in>) sources 0 taps () {
  %a_free = visa.event "M" to "IN" {slots = 3 : i64, tokens = 1 : i64}
  %b_free = visa.event "M" to "IN" {slots = 2 : i64, tokens = 1 : i64}
  %ready = visa.event "IN" to "M" {slots = 2 : i64, tokens = 0 : i64}
  visa.forall (%i) in (8) {
    %a = visa.alloc : !visa.buffer<l0a, [16], f32, 3>
    %b = visa.alloc : !visa.buffer<l0b, [400], f32, 2>
    %c = visa.alloc : !visa.buffer<l0c, [16], f32, 1>
    %j = arith.muli %i, %i : index
    visa.wait %a_free[%j]
    visa.load "{j:16} b0@%0(1), b1(1)" (%a, %x : !visa.buffer<l0a, [16], f32, 3>, !visa.gm<f32, 400, in>) [%j]
    visa.wait %b_free[%j]
    visa.load "{j:400} b0@%0(1), b1(1)" (%b, %x : !visa.buffer<l0b, [400], f32, 2>, !visa.gm<f32, 400, in>) [%j]
    visa.signal %ready[%j]
    visa.wait %ready[%j]
    visa.mmad "{m:m 4, n:n 4, k:k 4} b0(4,1,0), b1@%0(4,0,1), b2@%0(0,1,4)" (%c, %a, %b : !visa.buffer<l0c, [16], f32, 1>, !visa.buffer<l0a, [16], f32, 3>, !visa.buffer<l0b, [400], f32, 2>) [%j]
    visa.signal %a_free[%j]
    visa.signal %b_free[%j]
  }
}
