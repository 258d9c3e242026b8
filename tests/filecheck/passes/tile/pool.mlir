// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target=host-avx2}' --split-input-file | filecheck %s

// A large window is taken by its axes: maxima of 2, of 4 and of 7 rows, each one instruction over all that was
// loaded (those of 7 of two 4s that share a row), then the same along rows, of which the last makes the result.

// CHECK-LABEL: @large
// CHECK: visa.forall (%c, %oh) in (2, 2) {
// CHECK: visa.load "{oh:16 in -10*%0+3..-10*%0+23, ow:26 in 3..23} b0(26,1), b1[400*%1+200*%0-63](20,1), fill=-inf !src(0)" (%x, %x0
// CHECK: visa.max "{i:390} b0(1), b1(1), b1[26](1) !src(0)" (%m, %x
// CHECK: visa.max "{i:338} b0(1), b1(1), b1[52](1) !src(0)" (%m2, %m
// CHECK: visa.max "{i:260} b0(1), b1(1), b1[78](1) !src(0)" (%m, %m2
// CHECK: visa.max "{i:259} b0(1), b1(1), b1[1](1) !src(0)" (%m2, %m
// CHECK: visa.max "{i:257} b0(1), b1(1), b1[2](1) !src(0)" (%m, %m2
// CHECK: visa.max "{oh:10, ow:20} b0(20,1), b1(26,1), b1[3](26,1) !src(0)" (%t, %m
// CHECK: visa.store "{oh:200} b0[200*%1+400*%0](1), b1(1) !src(0)" (%y, %t
func.func @large(%x: tensor<1x2x20x20xf32>) -> tensor<1x2x20x20xf32> {
  %y = graph.pool max %x {kernel = array<i64: 7, 7>, strides = array<i64: 1, 1>, pads = array<i64: 3, 3, 3, 3>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x2x20x20xf32>) -> tensor<1x2x20x20xf32>
  func.return %y : tensor<1x2x20x20xf32>
}

// -----

// Sums of 7 neighbours are one reduction a pass: natively, joins in memory would take longer.

// CHECK-LABEL: @sum
// CHECK: visa.forall (%oh) in (7) {
// CHECK: visa.load "{c:2, oh:160} b0(160,1), b1[40*%0](400,1) !src(0)" (%x, %x0
// CHECK: visa.reduce.add "{c:2, d0:40, kh:reduce 7} b0(40,1,0), b1(160,1,20) !src(0)" (%m, %x
// CHECK: visa.reduce.add "{c:4, ow:14, kw:reduce 7} b0(14,1,0), b1(20,1,1) !src(0)" (%t, %m
// CHECK: visa.store "{c:2, oh:28} b0[28*%0](196,1), b1(28,1) !src(0)" (%y, %t
func.func @sum(%x: tensor<1x2x20x20xf32>) -> tensor<1x2x14x14xf32> {
  %y = graph.pool add %x {kernel = array<i64: 7, 7>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x2x20x20xf32>) -> tensor<1x2x14x14xf32>
  func.return %y : tensor<1x2x14x14xf32>
}

// -----

// Rows that lie 2 apart are reduced first, so that only those are left which are wanted.

// CHECK-LABEL: @steps
// CHECK: visa.forall (%oh) in (5) {
// CHECK: visa.load "{c:2, oh:360} b0(360,1), b1[320*%0](1640,1), fill=-inf !src(0)" (%x, %x0
// CHECK: visa.reduce.max "{c:2, d0:4, d1:40, kh:reduce 3} b0(160,40,1,0), b1(360,80,1,40) !src(0)" (%m, %x
// CHECK: visa.reduce.max "{c:8, ow:38, kw:reduce 3} b0(38,1,0), b1(40,1,1) !src(0)" (%t, %m
// CHECK: visa.store "{c:2, oh:152} b0[152*%0](760,1), b1(152,1) !src(0)" (%y, %t
func.func @steps(%x: tensor<1x2x41x40xf32>) -> tensor<1x2x20x38xf32> {
  %y = graph.pool max %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x2x41x40xf32>) -> tensor<1x2x20x38xf32>
  func.return %y : tensor<1x2x20x38xf32>
}

// -----

// Sums of halves are rounded once: they stay one reduction.

// CHECK-LABEL: @halves
// CHECK: visa.reduce.add "{c:2, oh:2, ow:16, kh:reduce 5, kw:reduce 5} b0(32,16,1,0,0), b1(120,20,1,20,1) !src(0)" (%t, %x
func.func @halves(%x: tensor<1x2x20x20xf16>) -> tensor<1x2x16x16xf16> {
  %y = graph.pool add %x {kernel = array<i64: 5, 5>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, overhang = array<i64: 0, 0>, count_include_pad = false} : (tensor<1x2x20x20xf16>) -> tensor<1x2x16x16xf16>
  func.return %y : tensor<1x2x16x16xf16>
}

// -----

// Three neighbours, which are not worth joining, lie between two axes that are joined: they are reduced before either,
// since joins leave an end undone.

// CHECK-LABEL: @between
// CHECK: visa.reduce.max "{c:26, d2:13, kh:reduce 3} b0(13,1,0), b1(39,1,13) !src(0)" (%m, %x
// CHECK: visa.max "{i:325} b0(1), b1(1), b1[13](1) !src(0)" (%m2, %m
// CHECK: visa.max "{i:299} b0(1), b1(1), b1[26](1) !src(0)" (%m3, %m2
// CHECK: visa.max "{i:260} b0(1), b1(1), b1[39](1) !src(0)" (%m2, %m3
// CHECK: visa.max "{i:259} b0(1), b1(1), b1[1](1) !src(0)" (%m3, %m2
// CHECK: visa.max "{i:257} b0(1), b1(1), b1[2](1) !src(0)" (%m2, %m3
// CHECK: visa.max "{c:2, od:7, ow:7} b0(49,7,1), b1(169,13,1), b1[3](169,13,1) !src(0)" (%t, %m2
// CHECK-NOT: reduce
func.func @between(%x: tensor<1x2x13x9x13xf32>) -> tensor<1x2x7x7x7xf32> {
  %y = graph.pool max %x {kernel = array<i64: 7, 3, 7>, strides = array<i64: 1, 1, 1>, pads = array<i64: 0, 0, 0, 0, 0, 0>, dilations = array<i64: 1, 1, 1>, overhang = array<i64: 0, 0, 0>, count_include_pad = false} : (tensor<1x2x13x9x13xf32>) -> tensor<1x2x7x7x7xf32>
  func.return %y : tensor<1x2x7x7x7xf32>
}
