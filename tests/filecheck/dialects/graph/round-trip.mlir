// RUN: vcc-opt %s | vcc-opt | filecheck %s

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%x: tensor<2x8x4x4xf32>, %s: tensor<f32>, %i: tensor<4xi64>, %b: tensor<4xi1>) {
  // CHECK-NEXT: %0 = graph.unary relu %x : (tensor<2x8x4x4xf32>) -> tensor<2x8x4x4xf32>
  %0 = graph.unary relu %x : (tensor<2x8x4x4xf32>) -> tensor<2x8x4x4xf32>
  // CHECK-NEXT: %1 = graph.unary not %b : (tensor<4xi1>) -> tensor<4xi1>
  %1 = graph.unary not %b : (tensor<4xi1>) -> tensor<4xi1>
  // CHECK-NEXT: %2 = graph.binary add %x, %s : (tensor<2x8x4x4xf32>, tensor<f32>) -> tensor<2x8x4x4xf32>
  %2 = graph.binary add %x, %s : (tensor<2x8x4x4xf32>, tensor<f32>) -> tensor<2x8x4x4xf32>
  // CHECK-NEXT: %3 = graph.binary and %b, %1 : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  %3 = graph.binary and %b, %1 : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  // CHECK-NEXT: %4 = graph.compare lt %x, %s : (tensor<2x8x4x4xf32>, tensor<f32>) -> tensor<2x8x4x4xi1>
  %4 = graph.compare lt %x, %s : (tensor<2x8x4x4xf32>, tensor<f32>) -> tensor<2x8x4x4xi1>
  // CHECK-NEXT: %5 = graph.select %4, %x, %s : (tensor<2x8x4x4xi1>, tensor<2x8x4x4xf32>, tensor<f32>) -> tensor<2x8x4x4xf32>
  %5 = graph.select %4, %x, %s : (tensor<2x8x4x4xi1>, tensor<2x8x4x4xf32>, tensor<f32>) -> tensor<2x8x4x4xf32>
  // CHECK-NEXT: %6 = graph.cast %i : (tensor<4xi64>) -> tensor<4xf16>
  %6 = graph.cast %i : (tensor<4xi64>) -> tensor<4xf16>
  func.return
}

// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<2x8x4x4xf32>, %w: tensor<6x4x3x3xf32>, %b: tensor<6xf32>, %q: tensor<5x3xi8>, %u: tensor<3x2xui8>) {
  // CHECK-NEXT: %0 = graph.conv %x, %w, %b {pads = array<i64: 1, 0, 1, 0>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 1>, group = 2 : i64} : (tensor<2x8x4x4xf32>, tensor<6x4x3x3xf32>, tensor<6xf32>) -> tensor<2x6x2x2xf32>
  %0 = graph.conv %x, %w, %b {pads = array<i64: 1, 0, 1, 0>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 1>, group = 2 : i64} : (tensor<2x8x4x4xf32>, tensor<6x4x3x3xf32>, tensor<6xf32>) -> tensor<2x6x2x2xf32>
  // CHECK-NEXT: %1 = graph.conv %x, %w {
  %1 = graph.conv %x, %w {pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, group = 2 : i64} : (tensor<2x8x4x4xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x2x2xf32>
  // CHECK-NEXT: %2 = graph.matmul %q, %u : (tensor<5x3xi8>, tensor<3x2xui8>) -> tensor<5x2xi32>
  %2 = graph.matmul %q, %u : (tensor<5x3xi8>, tensor<3x2xui8>) -> tensor<5x2xi32>
  // CHECK-NEXT: %3 = graph.pool average %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 1, 1>, count_include_pad = true} : (tensor<2x8x4x4xf32>) -> tensor<2x8x2x2xf32>
  %3 = graph.pool average %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 1, 1>, count_include_pad = true} : (tensor<2x8x4x4xf32>) -> tensor<2x8x2x2xf32>
  func.return
}

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<2x8x4xf32>, %s: tensor<4xf32>) {
  // CHECK-NEXT: %0 = graph.reduce max %x {axes = array<i64: 0, 2>, keepdims = false} : (tensor<2x8x4xf32>) -> tensor<8xf32>
  %0 = graph.reduce max %x {axes = array<i64: 0, 2>, keepdims = false} : (tensor<2x8x4xf32>) -> tensor<8xf32>
  // CHECK-NEXT: %1 = graph.softmax %x {axis = 1 : i64} : (tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
  %1 = graph.softmax %x {axis = 1 : i64} : (tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
  // CHECK-NEXT: %2 = graph.layer_norm %x, %s, %s {axis = 2 : i64, epsilon = 1.000000e-05 : f32} : (tensor<2x8x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x8x4xf32>
  %2 = graph.layer_norm %x, %s, %s {axis = 2 : i64, epsilon = 1.0e-05 : f32} : (tensor<2x8x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x8x4xf32>
  func.return
}

// CHECK-LABEL: func.func @movements
func.func @movements(%x: tensor<2x16x4xf32>) {
  // CHECK-NEXT: %0 = graph.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x16x4xf32>) -> tensor<4x2x16xf32>
  %0 = graph.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x16x4xf32>) -> tensor<4x2x16xf32>
  // CHECK-NEXT: %1 = graph.reshape %x : (tensor<2x16x4xf32>) -> tensor<2x64xf32>
  %1 = graph.reshape %x : (tensor<2x16x4xf32>) -> tensor<2x64xf32>
  // CHECK-NEXT: %2 = graph.slice %1 {starts = array<i64: 0, 63>, sizes = array<i64: 2, 8>, steps = array<i64: 1, -4>} : (tensor<2x64xf32>) -> tensor<2x8xf32>
  %2 = graph.slice %1 {starts = array<i64: 0, 63>, sizes = array<i64: 2, 8>, steps = array<i64: 1, -4>} : (tensor<2x64xf32>) -> tensor<2x8xf32>
  // CHECK-NEXT: %3 = graph.concat %1, %2 {axis = 1 : i64} : (tensor<2x64xf32>, tensor<2x8xf32>) -> tensor<2x72xf32>
  %3 = graph.concat %1, %2 {axis = 1 : i64} : (tensor<2x64xf32>, tensor<2x8xf32>) -> tensor<2x72xf32>
  // CHECK-NEXT: %4 = graph.pad %2 {low = array<i64: 0, 1>, high = array<i64: 0, 2>, value = 0xff800000 : f32} : (tensor<2x8xf32>) -> tensor<2x11xf32>
  %4 = graph.pad %2 {low = array<i64: 0, 1>, high = array<i64: 0, 2>, value = 0xff800000 : f32} : (tensor<2x8xf32>) -> tensor<2x11xf32>
  // CHECK-NEXT: %5 = graph.expand %2 : (tensor<2x8xf32>) -> tensor<3x2x8xf32>
  %5 = graph.expand %2 : (tensor<2x8xf32>) -> tensor<3x2x8xf32>
  // CHECK-NEXT: %6 = graph.relayout %x : (tensor<2x16x4xf32>) -> tensor<2x16x4xf32, #graph.blocked<axis = 1, block = 16>>
  %6 = graph.relayout %x : (tensor<2x16x4xf32>) -> tensor<2x16x4xf32, #graph.blocked<axis = 1, block = 16>>
  func.return
}

// CHECK-LABEL: func.func @calls
func.func @calls(%x: tensor<2x4xf32>, %n: tensor<i64>) -> tensor<2x4xf32> {
  // CHECK-NEXT: %0, %1 = graph.host "Unique" %x, %n {domain = "", version = 11 : i64, attributes = {axis = 1 : i64}, inputs = array<i64: 0, -1, 1>, outputs = array<i64: 0, -1, 1>, reason = "no kernel"} : (tensor<2x4xf32>, tensor<i64>) -> (tensor<2x3xf32>, tensor<4xi64>)
  %0, %1 = graph.host "Unique" %x, %n {domain = "", version = 11 : i64, attributes = {axis = 1 : i64}, inputs = array<i64: 0, -1, 1>, outputs = array<i64: 0, -1, 1>, reason = "no kernel"} : (tensor<2x4xf32>, tensor<i64>) -> (tensor<2x3xf32>, tensor<4xi64>)
  // CHECK-NEXT: %2 = graph.kernel %x {kind = "elementwise", remarks = ["one chain"]} : (tensor<2x4xf32>) -> tensor<2x4xf32> {
  // CHECK-NEXT: ^bb0(%a: tensor<2x4xf32>):
  // CHECK-NEXT:   %b = graph.unary exp %a : (tensor<2x4xf32>) -> tensor<2x4xf32>
  // CHECK-NEXT:   graph.yield %b : tensor<2x4xf32>
  // CHECK-NEXT: }
  %2 = graph.kernel %x {kind = "elementwise", remarks = ["one chain"]} : (tensor<2x4xf32>) -> tensor<2x4xf32> {
  ^bb0(%a: tensor<2x4xf32>):
    %b = graph.unary exp %a : (tensor<2x4xf32>) -> tensor<2x4xf32>
    graph.yield %b : tensor<2x4xf32>
  }
  func.return %2 : tensor<2x4xf32>
}
