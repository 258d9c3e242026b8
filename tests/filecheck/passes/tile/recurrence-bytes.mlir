// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' | filecheck %s
// Weights of bytes: in every step the range of the state, its scale and zero point, then bytes in whole fours (6 units
// and 2 zeros), a product in i32, and what its sums mean as floats.

// CHECK-LABEL: visa.kernel @recurrence_0
// CHECK: scf.for %t
// CHECK: visa.reduce.min "{k:reduce 6} b0(0), b1(1), zero=0 !src(0)" (%low, %h
// CHECK: visa.reduce.max
// CHECK: visa.div "{z:1} b0(1), b0(1), 255.0 !src(0)" (%step
// CHECK: visa.div "{k:6} b0(1), b1(1), b2(0) !src(0)" (%steps, %h, %step
// CHECK: visa.cast "{k:6} b0(1), b1(1) !src(0)" (%q, %steps
// CHECK: visa.copy "{k:2} b0[6](1), 0 !src(0)" (%q
// CHECK: visa.mov "{k:8} b0(1), b1(1) !src(0)" (%ha, %q
// CHECK: visa.mmad "{n:n 64, k:k 2, q:k 4} b0(1,0,0), b1(0,4,1), b2(4,256,1) !src(0)" (%acc, %ha, %rt
// CHECK: visa.sub {{.*}} (%gates, %offsets
// CHECK: visa.cast {{.*}} (%gates2, %gates
// CHECK: visa.mul {{.*}} (%gates2, %factor
// CHECK: visa.sigmoid
func.func @lstm(%x: tensor<3x1x24xf32>) -> tensor<4x1x1x6xf32> {
  %r = weights.constant dense<5> : tensor<1x6x24xi8>
  %scale = weights.constant dense<0.5> : tensor<1x24xf32>
  %sums = weights.constant dense<30> : tensor<1x24xi32>
  %0 = graph.recurrence lstm %x, %r : tensor<3x1x24xf32>, tensor<1x6x24xi8> scale %scale : tensor<1x24xf32> sums %sums : tensor<1x24xi32> {reverse = false} -> tensor<4x1x1x6xf32>
  func.return %0 : tensor<4x1x1x6xf32>
}

// Where steps are divided and tiles have some of the sequences, each looks through all of them for the range.

// CHECK-LABEL: visa.kernel @recurrence_1
// CHECK: visa.forall (%b, %p) in
// CHECK: scf.for %all
// CHECK: visa.reduce.min
// CHECK: visa.mmad
func.func @many(%x: tensor<3x400x8192xf32>) -> tensor<4x1x400x2048xf32> {
  %r = weights.constant dense<5> : tensor<1x2048x8192xi8>
  %scale = weights.constant dense<0.5> : tensor<1x8192xf32>
  %sums = weights.constant dense<30> : tensor<1x8192xi32>
  %0 = graph.recurrence lstm %x, %r : tensor<3x400x8192xf32>, tensor<1x2048x8192xi8> scale %scale : tensor<1x8192xf32> sums %sums : tensor<1x8192xi32> {reverse = false} -> tensor<4x1x400x2048xf32>
  func.return %0 : tensor<4x1x400x2048xf32>
}
