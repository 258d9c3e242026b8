// RUN: vcc-opt %s -p 'form-byte-tables,dce' --split-input-file | filecheck %s

// x * sigmoid(x) of bytes, whose sigmoid is quantised on the way: one table. (Scales are 1/16 and 1/256.)

// CHECK-LABEL: @silu
// CHECK-NEXT: %[[TABLE:.*]] = weights.constant {{.*}} : tensor<256xui8>
// CHECK-NEXT: %[[Y:.*]] = graph.lookup %x in %[[TABLE]] : (tensor<2x3xui8>, tensor<256xui8>) -> tensor<2x3xui8>
// CHECK-NEXT: func.return %[[Y]]
func.func @silu(%x: tensor<2x3xui8>) -> tensor<2x3xui8> {
  %s = weights.constant dense<6.250000e-02> : tensor<f32>
  %t = weights.constant dense<3.906250e-03> : tensor<f32>
  %r = weights.constant dense<2.560000e+02> : tensor<f32>
  %z = weights.constant dense<1.280000e+02> : tensor<f32>
  %0 = graph.cast %x : (tensor<2x3xui8>) -> tensor<2x3xf32>
  %1 = graph.binary sub %0, %z : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %2 = graph.binary mul %1, %s : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %3 = graph.unary sigmoid %2 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %4 = graph.binary mul %3, %r : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %5 = graph.unary round %4 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %6 = graph.cast %5 : (tensor<2x3xf32>) -> tensor<2x3xui8>
  %7 = graph.cast %6 : (tensor<2x3xui8>) -> tensor<2x3xf32>
  %8 = graph.binary mul %7, %t : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %9 = graph.binary mul %8, %2 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %10 = graph.unary round %9 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %y = graph.cast %10 : (tensor<2x3xf32>) -> tensor<2x3xui8>
  func.return %y : tensor<2x3xui8>
}

// -----

// Signed bytes index the table as unsigned ones.

// CHECK-LABEL: @signed
// CHECK-NEXT: %[[INDEX:.*]] = graph.cast %x : (tensor<4xi8>) -> tensor<4xui8>
// CHECK: graph.lookup %[[INDEX]] in %{{.*}} : (tensor<4xui8>, tensor<256xi8>) -> tensor<4xi8>
func.func @signed(%x: tensor<4xi8>) -> tensor<4xi8> {
  %0 = graph.cast %x : (tensor<4xi8>) -> tensor<4xf32>
  %1 = graph.binary mul %0, %0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.cast %1 : (tensor<4xf32>) -> tensor<4xi8>
  func.return %2 : tensor<4xi8>
}

// -----

// What only limits bytes needs no table, and what does nothing goes.

// CHECK-LABEL: @limits
// CHECK: %[[LOW:[0-9]+]] = weights.constant dense<7> : tensor<ui8>
// CHECK-NEXT: %[[Y:.*]] = graph.binary max %x, %[[LOW]] : (tensor<4xui8>, tensor<ui8>) -> tensor<4xui8>
// CHECK-NOT: graph.
// CHECK: func.return %[[Y]], %x
func.func @limits(%x: tensor<4xui8>) -> (tensor<4xui8>, tensor<4xui8>) {
  %s = weights.constant dense<6.250000e-02> : tensor<f32>
  %z = weights.constant dense<7.000000e+00> : tensor<f32>
  %0 = graph.cast %x : (tensor<4xui8>) -> tensor<4xf32>
  %1 = graph.binary sub %0, %z : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = graph.binary mul %1, %s : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = graph.unary relu %2 : (tensor<4xf32>) -> tensor<4xf32>
  %4 = graph.binary div %3, %s : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %5 = graph.binary add %4, %z : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %6 = graph.cast %5 : (tensor<4xf32>) -> tensor<4xui8>
  %7 = graph.binary div %2, %s : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %8 = graph.binary add %7, %z : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %9 = graph.cast %8 : (tensor<4xf32>) -> tensor<4xui8>
  func.return %6, %9 : tensor<4xui8>, tensor<4xui8>
}

// -----

// A table of a table is one; the one between stays where something else reads it.

// CHECK-LABEL: @again
// CHECK-DAG: graph.lookup %x in %{{.*}} : (tensor<4xui8>, tensor<256xui8>) -> tensor<4xui8>
// CHECK-DAG: graph.lookup %x in %{{.*}} : (tensor<4xui8>, tensor<256xi8>) -> tensor<4xi8>
// CHECK: func.return
func.func @again(%x: tensor<4xui8>) -> (tensor<4xui8>, tensor<4xi8>) {
  %0 = graph.cast %x : (tensor<4xui8>) -> tensor<4xf32>
  %1 = graph.unary sqrt %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.cast %1 : (tensor<4xf32>) -> tensor<4xui8>
  %3 = graph.cast %2 : (tensor<4xui8>) -> tensor<4xf32>
  %4 = graph.unary neg %3 : (tensor<4xf32>) -> tensor<4xf32>
  %5 = graph.cast %4 : (tensor<4xf32>) -> tensor<4xi8>
  func.return %2, %5 : tensor<4xui8>, tensor<4xi8>
}

// -----

// Left alone: functions of two tensors, numbers for each column, what a broadcast repeats, floats that are read as they
// are, and single operations on bytes.

// CHECK-LABEL: @other
// CHECK-NOT: graph.lookup
func.func @other(%x: tensor<2x3xui8>, %v: tensor<3xui8>, %w: tensor<3xf32>) -> (tensor<2x3xui8>, tensor<2x3xui8>, tensor<2x3xui8>, tensor<2x3xf32>, tensor<2x3xi8>) {
  %c = weights.constant dense<[1.000000e+00, 2.000000e+00, 4.000000e+00]> : tensor<3xf32>
  %z = weights.constant dense<0.000000e+00> : tensor<2x3xf32>
  %0 = graph.cast %x : (tensor<2x3xui8>) -> tensor<2x3xf32>
  %1 = graph.binary mul %0, %c : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %2 = graph.cast %1 : (tensor<2x3xf32>) -> tensor<2x3xui8>
  %3 = graph.binary mul %0, %w : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %4 = graph.cast %3 : (tensor<2x3xf32>) -> tensor<2x3xui8>
  %5 = graph.cast %v : (tensor<3xui8>) -> tensor<3xf32>
  %6 = graph.binary add %5, %z : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %7 = graph.cast %6 : (tensor<2x3xf32>) -> tensor<2x3xui8>
  %8 = graph.unary sigmoid %0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %9 = graph.cast %x : (tensor<2x3xui8>) -> tensor<2x3xi8>
  func.return %2, %4, %7, %8, %9 : tensor<2x3xui8>, tensor<2x3xui8>, tensor<2x3xui8>, tensor<2x3xf32>, tensor<2x3xi8>
}

// -----

// So are pieces of a concatenation.

// CHECK-LABEL: @piece
// CHECK-NOT: graph.lookup
func.func @piece(%x: tensor<4xui8>, %y: tensor<4xui8>) -> tensor<8xui8> {
  %0 = graph.cast %x : (tensor<4xui8>) -> tensor<4xf32>
  %1 = graph.unary sqrt %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.cast %1 : (tensor<4xf32>) -> tensor<4xui8>
  %3 = graph.concat %2, %y {axis = 0 : i64} : (tensor<4xui8>, tensor<4xui8>) -> tensor<8xui8>
  func.return %3 : tensor<8xui8>
}
