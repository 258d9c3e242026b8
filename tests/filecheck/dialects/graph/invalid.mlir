// RUN: vcc-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

func.func @f(%x: tensor<1x64x8x8xf32>, %w: tensor<8x3x1x1xf32>) {
  // CHECK: conv: weight has 3 input channels per group, input has 64/1
  %0 = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64} : (tensor<1x64x8x8xf32>, tensor<8x3x1x1xf32>) -> tensor<1x8x8x8xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // CHECK: unary: result is tensor<5xf32>, but tensor<4xf32> follows from its operands
  %0 = graph.unary abs %x : (tensor<4xf32>) -> tensor<5xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4x?xf32>) {
  // CHECK: unary: operand 0 has type tensor<4x?xf32>: every size must be static
  %0 = graph.unary abs %x : (tensor<4x?xf32>) -> tensor<4x?xf32>
  func.return
}

// -----

func.func @f(%x: tensor<1x24xf32>) {
  // CHECK: relayout: result 0: block 16 does not divide axis 1 of size 24
  %0 = graph.relayout %x : (tensor<1x24xf32>) -> tensor<1x24xf32, #graph.blocked<axis = 1, block = 16>>
  func.return
}

// -----

func.func @f(%x: tensor<2xf32>, %y: tensor<2xf32>) {
  // CHECK: kernel: block arguments are tensor<2xf32>, operands are tensor<2xf32>, tensor<2xf32>
  %0 = graph.kernel %x, %y : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<2xf32>):
    graph.yield %a : tensor<2xf32>
  }
  func.return
}

// -----

func.func @f(%x: tensor<2xf32>) {
  // CHECK: host: inputs [0, 1] do not name the 1 inputs in order
  %0 = graph.host "Unique" %x {domain = "", version = 11 : i64, attributes = {}, inputs = array<i64: 0, 1>, outputs = array<i64: 0>, reason = ""} : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}
