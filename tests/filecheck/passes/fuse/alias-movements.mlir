// RUN: vcc-opt %s -p form-kernels,alias-movements --split-input-file | filecheck %s

// What kernels compute (here one, with two results) lies one behind the other in the concatenation, and the rows of a slice are a part of it.

// CHECK-LABEL: @rows
// CHECK:      %b, %a = graph.kernel %x
// CHECK:      %c = graph.concat %a, %b {{.*}}axis = 0 : i64
// CHECK-NEXT: %s = graph.slice %c {starts = array<i64: 1, 0>, sizes = array<i64: 2, 6>, steps = array<i64: 1, 1>}
// CHECK-NEXT: %h = graph.host "Unique" %s
func.func @rows(%x: tensor<2x6xf32>) -> tensor<2x6xf32> {
  %a = graph.unary exp %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %b = graph.unary relu %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %c = graph.concat %a, %b {axis = 0 : i64} : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<4x6xf32>
  %s = graph.slice %c {starts = array<i64: 1, 0>, sizes = array<i64: 2, 6>, steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<2x6xf32>
  %h = graph.host "Unique" %s {domain = "", version = 11 : i64, attributes = {}, inputs = array<i64: 0>, outputs = array<i64: 0>, reason = "no kernel"} : (tensor<2x6xf32>) -> tensor<2x6xf32>
  func.return %h : tensor<2x6xf32>
}

// -----

// The axes before the concatenated one have the size 1; a result of the model is written in this way too.

// CHECK-LABEL: @result
// CHECK:      %c = graph.concat %a, %b
// CHECK-NEXT: func.return %c
func.func @result(%x: tensor<1x2x6xf32>) -> tensor<1x4x6xf32> {
  %a = graph.unary exp %x : (tensor<1x2x6xf32>) -> tensor<1x2x6xf32>
  %b = graph.unary relu %x : (tensor<1x2x6xf32>) -> tensor<1x2x6xf32>
  %c = graph.concat %a, %b {axis = 1 : i64} : (tensor<1x2x6xf32>, tensor<1x2x6xf32>) -> tensor<1x4x6xf32>
  func.return %c : tensor<1x4x6xf32>
}

// -----

// These need a copy: an argument, an operand used twice, one that is a result of the model, pieces that are not whole.

// CHECK-LABEL: @copies
// CHECK-NOT:  graph.concat %
// CHECK:      graph.kernel %x, %a {kind = "concat"
// CHECK:      graph.kernel %a {kind = "concat"
// CHECK:      graph.kernel %r, %b {kind = "concat"
// CHECK:      graph.kernel %a, %b {kind = "concat"
// CHECK:      func.return
func.func @copies(%x: tensor<2x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<2x6xf32>, tensor<2x12xf32>) {
  %a = graph.unary exp %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %b = graph.unary relu %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %r = graph.unary neg %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %c = graph.concat %x, %a {axis = 0 : i64} : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<4x6xf32>
  %d = graph.concat %a, %a {axis = 0 : i64} : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<4x6xf32>
  %e = graph.concat %r, %b {axis = 0 : i64} : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<4x6xf32>
  %f = graph.concat %a, %b {axis = 1 : i64} : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<2x12xf32>
  func.return %c, %d, %e, %r, %f : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<2x6xf32>, tensor<2x12xf32>
}
