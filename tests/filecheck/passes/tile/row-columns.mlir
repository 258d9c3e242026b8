// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' --split-input-file | filecheck %s

// Columns of a matrix are rows that lie side by side: a tile has many, so that whole cache lines are loaded.

// CHECK-LABEL: @columns
// CHECK: visa.forall (%i1) in (8)
// CHECK: visa.load "{i1:64, i0:1024} b0(1024,1), b1[64*%0](1,512) !src(0)"
func.func @columns(%a: tensor<1024x512xf32>) -> tensor<1024x512xf32> {
  %s = graph.softmax %a {axis = 0 : i64} : (tensor<1024x512xf32>) -> tensor<1024x512xf32>
  func.return %s : tensor<1024x512xf32>
}

// -----

// CHECK-LABEL: @extremes
// CHECK: visa.load "{i1:64, i0:1024} b0(1024,1), b1[64*%0](1,512) !src(0)"
func.func @extremes(%x: tensor<1024x512xf32>) -> tensor<512xi64> {
  %y = graph.arg max %x {axis = 0 : i64, keepdims = false, last = false} : (tensor<1024x512xf32>) -> tensor<512xi64>
  func.return %y : tensor<512xi64>
}

// -----

// Rows that are dense stay few at a time, in the first cache from instruction to instruction.

// CHECK-LABEL: @rows
// CHECK: visa.load "{i0:1024} b0(1), b1[1024*%0](1) !src(0)"
func.func @rows(%a: tensor<1024x512xf32>) -> tensor<1024x512xf32> {
  %s = graph.softmax %a {axis = 1 : i64} : (tensor<1024x512xf32>) -> tensor<1024x512xf32>
  func.return %s : tensor<1024x512xf32>
}
