// RUN: vcc-opt %s --split-input-file --parsing-diagnostics --verify-diagnostics | filecheck %s

// CHECK: store: src lies in gm, but must lie in ub, l1, l0c
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  visa.store "{j:16} b0(1), b1(1)" (%x, %x : !visa.gm<f32, 16, in>, !visa.gm<f32, 16, in>)
}

// -----

// CHECK: add: operands must have one dtype, got dst f32, a f32, b f16
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  %h = visa.alloc : !visa.buffer<ub, [16], f16, 1>
  visa.add "{j:16} b0(1), b0(1), b1(1)" (%t, %h : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f16, 1>)
}

// -----

// CHECK: mmad: f16 times f16 does not accumulate in i32
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %a = visa.alloc : !visa.buffer<l0a, [16], f16, 1>
  %b = visa.alloc : !visa.buffer<l0b, [16], f16, 1>
  %c = visa.alloc : !visa.buffer<l0c, [16], i32, 1>
  visa.mmad "{m:m 4, n:n 4, k:k 4} b0(4,1,0), b1(4,0,1), b2(0,1,4)" (%c, %a, %b : !visa.buffer<l0c, [16], i32, 1>, !visa.buffer<l0a, [16], f16, 1>, !visa.buffer<l0b, [16], f16, 1>)
}

// -----

// CHECK: add: dimension j cannot have role reduce
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.add "{j:reduce 16} b0(1), b0(1), b0(1)" (%t : !visa.buffer<ub, [16], f32, 1>)
}

// -----

// CHECK: exp: dimension j cannot have a valid interval
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.exp "{j:16 in 0..3} b0(1), b0(1)" (%t : !visa.buffer<ub, [16], f32, 1>)
}

// -----

// CHECK: operand a has 2 strides, but the domain has 1 dimensions
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.exp "{j:16} b0(1), b0(1,1)" (%t : !visa.buffer<ub, [16], f32, 1>)
}

// -----

// CHECK: exp: b1 is not one of its 1 buffers
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.exp "{j:16} b0(1), b1(1)" (%t : !visa.buffer<ub, [16], f32, 1>)
}

// -----

// CHECK: exp: %0 is not one of its 0 scalars
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.exp "{j:16} b0[%0](1), b0(1)" (%t : !visa.buffer<ub, [16], f32, 1>)
}

// -----

// CHECK: kernel: visa.exp stands beside a forall, where only loops and scalars may
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f32, 1>
  visa.forall (%i) in (2) {
  }
  visa.exp "{j:16} b0(1), b0(1)" (%t : !visa.buffer<ub, [16], f32, 1>)
}

// -----

// CHECK: forall: stands only in a kernel, in loops at most
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  visa.forall (%i) in (2) {
    visa.forall (%j) in (2) {
    }
  }
}

// -----

// CHECK: forall: needs one variable for each size
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  visa.forall (%i, %j) in (2) {
  }
}

// -----

// CHECK: event: pipe V would wait for itself
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %e = visa.event "V" to "V" {slots = 1 : i64, tokens = 0 : i64}
}

// -----

// CHECK: event: 'W' is not a pipe (S, IN, MOV, M, V, OUT)
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %e = visa.event "V" to "W" {slots = 1 : i64, tokens = 0 : i64}
}

// -----

// CHECK: event: needs at least one slot and no negative number of tokens
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %e = visa.event "V" to "M" {slots = 0 : i64, tokens = 0 : i64}
}

// -----

// CHECK: 'gm' is not an on-chip memory (l1, l0a, l0b, l0c, ub)
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<gm, [16], f32, 1>
}

// -----

// CHECK: 'f8' is not a dtype of the machine
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16], f8, 1>
}

// -----

// CHECK: a buffer needs at least one slot and sizes of at least 1
visa.kernel @k(%x: !visa.gm<f32, 16, in>) sources 0 taps () {
  %t = visa.alloc : !visa.buffer<ub, [16, 0], f32, 1>
}

// -----

// CHECK: mode 'both' is not in, out or inout
visa.kernel @k(%x: !visa.gm<f32, 16, both>) sources 0 taps () {
}

// -----

// CHECK: kernel: parameter of type index is not a tensor in global memory
visa.kernel @k(%x: index) sources 0 taps () {
}

// -----

// CHECK: launch: inplace pair (0, 1) is out of range
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %y = visa.launch @k(%a) {sources = [], taps = [], inplace = [array<i64: 0, 1>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
