// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' | filecheck %s
// One sequence of many units: each step is a forall over blocks of units. The state of the step before is a row of the
// result (here from the end to the beginning), zero in the first step, and the cell state has the last row.

// CHECK-LABEL: visa.kernel @recurrence_0
// CHECK-NOT: visa.forall
// CHECK: scf.for %t = %c0 to %c9 step %c1 {
// CHECK: %m = arith.maxsi
// CHECK: visa.forall (%p) in (8) {
// CHECK: visa.load "{n:128 in 0..-128*%0+128} b0(1), b1[-128*%1+1024](1) !src(0)" (%ha, %y
// CHECK: visa.load "{n:16 in 0..-16*%0+16} b0(1), b1[16*%1+1152](1) !src(0)" (%c, %y
// CHECK: visa.load "{k:8192} b0(1), b1[8192*%0](1) !src(0)" (%rt, %x1
// CHECK: visa.mmad "{n:n 64, k:k 128} b0(1,0), b1(0,1), b2(1,64) !src(0)" (%acc, %ha, %rt
// CHECK: visa.drain "{g:64} b0(1), b1(1) !src(0)"
// CHECK: visa.tanh "{n:16} b0(1), b1(1) !src(0)" (%h, %c
// CHECK: visa.store "{n:16} b0[-128*%1+16*%0+1024](1), b1(1) !src(0)" (%y, %y2
// CHECK: visa.store "{n:16} b0[16*%0+1152](1), b1(1) !src(0)" (%y, %c
func.func @lstm(%x: tensor<9x1x512xf32>) -> tensor<10x1x1x128xf32> {
  %r = weights.constant dense<0.5> : tensor<1x128x512xf32>
  %0 = graph.recurrence lstm %x, %r : tensor<9x1x512xf32>, tensor<1x128x512xf32> {reverse = true} -> tensor<10x1x1x128xf32>
  func.return %0 : tensor<10x1x1x128xf32>
}

// A GRU that resets its state before the last product: all of it is reset in a first forall, into the row behind the last
// step's, and read in a second.

// CHECK-LABEL: visa.kernel @recurrence_1
// CHECK: scf.for %t = %c0 to %c9 step %c1 {
// CHECK: visa.forall (%p) in (
// CHECK: visa.mmad "{n:n 16, k:k 128}
// CHECK: visa.sigmoid
// CHECK: visa.mul
// CHECK: visa.store "{n:32} b0[32*%0+1152](1), b1(1) !src(0)" (%y, %h
// CHECK: visa.forall (%p2) in (
// CHECK: visa.load "{n:128} b0(1), b1[1152](1) !src(0)" (%hr, %y
// CHECK: visa.mmad
// CHECK: visa.mmad "{n:n 16, k:k 128} {{.*}} %hr,
// CHECK: visa.store "{n:32} b0[128*%1+32*%0](1), b1(1) !src(0)" (%y
func.func @gru(%x: tensor<9x1x384xf32>) -> tensor<10x1x1x128xf32> {
  %r = weights.constant dense<0.5> : tensor<1x128x384xf32>
  %0 = graph.recurrence gru %x, %r : tensor<9x1x384xf32>, tensor<1x128x384xf32> {reverse = false} -> tensor<10x1x1x128xf32>
  func.return %0 : tensor<10x1x1x128xf32>
}

// A small cell would wait longer than it computes, and many sequences are divided as they are: their state stays on the
// chip.

// CHECK-LABEL: visa.kernel @recurrence_2
// CHECK: visa.forall (%d) in (1) {
// CHECK: scf.for %t
// CHECK-NOT: visa.forall
// CHECK-LABEL: visa.kernel @recurrence_3
// CHECK: visa.forall (%b) in
// CHECK: scf.for %t
func.func @kept_on_chip(
    %small: tensor<9x1x64xf32>, %many: tensor<9x64x512xf32>
) -> (tensor<10x1x1x16xf32>, tensor<10x1x64x128xf32>) {
  %s = weights.constant dense<0.5> : tensor<1x16x64xf32>
  %1 = graph.recurrence lstm %small, %s : tensor<9x1x64xf32>, tensor<1x16x64xf32> {reverse = false} -> tensor<10x1x1x16xf32>
  %m = weights.constant dense<0.5> : tensor<1x128x512xf32>
  %2 = graph.recurrence lstm %many, %m : tensor<9x64x512xf32>, tensor<1x128x512xf32> {reverse = false} -> tensor<10x1x64x128xf32>
  func.return %1, %2 : tensor<10x1x1x16xf32>, tensor<10x1x64x128xf32>
}
