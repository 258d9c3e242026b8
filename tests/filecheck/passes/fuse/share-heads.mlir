// RUN: vcc-opt %s -p share-heads --print-debuginfo | filecheck %s

// Six heads, three groups that share keys and values: the repetition stays a view, the transposes stay at the ends.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: [[KU:%.*]] = graph.reshape %k
// CHECK-NEXT: [[KE:%.*]] = graph.expand [[KU]]
// CHECK-NEXT: [[VU:%.*]] = graph.reshape %v
// CHECK-NEXT: [[VE:%.*]] = graph.expand [[VU]]
// CHECK-NEXT: [[Q:%.*]] = graph.reshape %q : (tensor<2x13x6x8xf32>) -> tensor<2x13x3x2x8xf32>
// CHECK-NEXT: [[QT:%.*]] = graph.transpose [[Q]] {perm = array<i64: 0, 2, 3, 1, 4>}
// CHECK-NEXT: [[M:%.*]] = graph.reshape %m : (tensor<1x13x20xf32>) -> tensor<1x1x13x20xf32>
// CHECK-NEXT: [[A:%.*]] = graph.attention [[QT]], [[KE]], [[VE]], [[M]] {scale = 1.000000e+00 : f32}
// CHECK-SAME: -> tensor<2x3x2x13x8xf32>
// CHECK-NEXT: [[T:%.*]] = graph.transpose [[A]] {perm = array<i64: 0, 3, 1, 2, 4>}
// CHECK-NEXT: [[R:%.*]] = graph.reshape [[T]] {values = {{\[\[}}"heads"]]} : (tensor<2x13x3x2x8xf32>) -> tensor<2x13x6x8xf32>
// CHECK-NEXT: func.return [[R]]
func.func @main(%q: tensor<2x13x6x8xf32>, %k: tensor<2x3x20x8xf32>, %v: tensor<2x3x20x8xf32>, %m: tensor<1x13x20xf32>) -> tensor<2x13x6x8xf32> {
  %ku = graph.reshape %k : (tensor<2x3x20x8xf32>) -> tensor<2x3x1x20x8xf32>
  %ke = graph.expand %ku : (tensor<2x3x1x20x8xf32>) -> tensor<2x3x2x20x8xf32>
  %kh = graph.reshape %ke : (tensor<2x3x2x20x8xf32>) -> tensor<2x6x20x8xf32>
  %vu = graph.reshape %v : (tensor<2x3x20x8xf32>) -> tensor<2x3x1x20x8xf32>
  %ve = graph.expand %vu : (tensor<2x3x1x20x8xf32>) -> tensor<2x3x2x20x8xf32>
  %vh = graph.reshape %ve : (tensor<2x3x2x20x8xf32>) -> tensor<2x6x20x8xf32>
  %qt = graph.transpose %q {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x13x6x8xf32>) -> tensor<2x6x13x8xf32>
  %0 = graph.attention %qt, %kh, %vh, %m {scale = 1.0 : f32} : (tensor<2x6x13x8xf32>, tensor<2x6x20x8xf32>, tensor<2x6x20x8xf32>, tensor<1x13x20xf32>) -> tensor<2x6x13x8xf32>
  %1 = graph.transpose %0 {perm = array<i64: 0, 2, 1, 3>, values = [["heads"]]} : (tensor<2x6x13x8xf32>) -> tensor<2x13x6x8xf32>
  func.return %1 : tensor<2x13x6x8xf32>
}
