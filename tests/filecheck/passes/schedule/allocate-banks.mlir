// RUN: vcc-opt %s -p 'allocate-buffers{target=vn1}' --split-input-file | filecheck %s

// vn1's ub has 8 banks of 256 bytes each. The three operands of the addition are walked in step: each gets a bank.

// CHECK-LABEL: @apart
// CHECK: %a = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %b = visa.alloc {address = 256 : i64} : !visa.buffer<ub, [16], f32, 1>
// CHECK: %c = visa.alloc {address = 512 : i64} : !visa.buffer<ub, [16], f32, 1>
visa.kernel @apart(%x: !visa.gm<f32, 64, in>, %y: !visa.gm<f32, 64, out>) sources 0 taps () {
  visa.forall (%i) in (4) {
    %a = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %b = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    %c = visa.alloc : !visa.buffer<ub, [16], f32, 1>
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%a, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.load "{j:16} b0(1), b1[16*%0](1)" (%b, %x : !visa.buffer<ub, [16], f32, 1>, !visa.gm<f32, 64, in>) [%i]
    visa.add "{j:16} b0(1), b1(1), b2(1)" (%c, %a, %b : !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>, !visa.buffer<ub, [16], f32, 1>)
    visa.store "{j:16} b0[16*%0](1), b1(1)" (%y, %c : !visa.gm<f32, 64, out>, !visa.buffer<ub, [16], f32, 1>) [%i]
  }
}

// -----

// A row that is added to many stays in its bank while the others go through all: it is not in step with them, and lies
// right behind them. These two lie in different banks already.

// CHECK-LABEL: @not_in_step
// CHECK: %a = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [16, 64], f32, 1>
// CHECK: %row = visa.alloc {address = 4096 : i64} : !visa.buffer<ub, [64], f32, 1>
// CHECK: %c = visa.alloc {address = 4352 : i64} : !visa.buffer<ub, [16, 64], f32, 1>
visa.kernel @not_in_step(%x: !visa.gm<f32, 1024, in>, %y: !visa.gm<f32, 1024, out>) sources 0 taps () {
  visa.forall (%i) in (1) {
    %a = visa.alloc : !visa.buffer<ub, [16, 64], f32, 1>
    %row = visa.alloc : !visa.buffer<ub, [64], f32, 1>
    %c = visa.alloc : !visa.buffer<ub, [16, 64], f32, 1>
    visa.load "{i:16, j:64} b0(64,1), b1(64,1)" (%a, %x : !visa.buffer<ub, [16, 64], f32, 1>, !visa.gm<f32, 1024, in>)
    visa.load "{j:64} b0(1), b1(1)" (%row, %x : !visa.buffer<ub, [64], f32, 1>, !visa.gm<f32, 1024, in>)
    visa.add "{i:16, j:64} b0(64,1), b1(64,1), b2(0,1)" (%c, %a, %row : !visa.buffer<ub, [16, 64], f32, 1>, !visa.buffer<ub, [16, 64], f32, 1>, !visa.buffer<ub, [64], f32, 1>)
    visa.store "{i:16, j:64} b0(64,1), b1(64,1)" (%y, %c : !visa.gm<f32, 1024, out>, !visa.buffer<ub, [16, 64], f32, 1>)
  }
}

// -----

// The memory is full: nothing moves, and the launch says what that costs.

// CHECK-LABEL: @main
// CHECK: visa.launch @full
// CHECK-SAME: operands in one bank cost each core about 384 cycles
// CHECK: visa.kernel @full
// CHECK: %a = visa.alloc {address = 0 : i64} : !visa.buffer<ub, [24576], f32, 1>
// CHECK: %c = visa.alloc {address = 98304 : i64} : !visa.buffer<ub, [24576], f32, 1>
func.func @main(%x: tensor<24576xf32>) -> tensor<24576xf32> {
  %y = visa.launch @full(%x) {sources = [], taps = []} : (tensor<24576xf32>) -> tensor<24576xf32>
  func.return %y : tensor<24576xf32>
}
visa.kernel @full(%x: !visa.gm<f32, 24576, in>, %y: !visa.gm<f32, 24576, out>) sources 0 taps () {
  visa.forall (%i) in (1) {
    %a = visa.alloc : !visa.buffer<ub, [24576], f32, 1>
    %c = visa.alloc : !visa.buffer<ub, [24576], f32, 1>
    visa.load "{j:24576} b0(1), b1(1)" (%a, %x : !visa.buffer<ub, [24576], f32, 1>, !visa.gm<f32, 24576, in>)
    visa.exp "{j:24576} b0(1), b1(1)" (%c, %a : !visa.buffer<ub, [24576], f32, 1>, !visa.buffer<ub, [24576], f32, 1>)
    visa.store "{j:24576} b0(1), b1(1)" (%y, %c : !visa.gm<f32, 24576, out>, !visa.buffer<ub, [24576], f32, 1>)
  }
}
