// RUN: vcc-opt %s | vcc-opt | filecheck %s

// CHECK-LABEL: func.func @cells
func.func @cells(%x: tensor<5x2x48xf32>, %r: tensor<1x12x48xf32>, %h: tensor<1x2x12xf32>, %p: tensor<1x3x12xf32>,
                 %g: tensor<5x2x72xf32>, %w: tensor<2x12x36xf32>, %b: tensor<2x12xf32>,
                 %q: tensor<1x12x48xi8>, %s: tensor<1x48xf32>, %u: tensor<1x48xi32>, %z: tensor<1xi32>) {
  // CHECK: %0 = graph.recurrence lstm %x, %r : tensor<5x2x48xf32>, tensor<1x12x48xf32> {reverse = false} -> tensor<6x1x2x12xf32>
  %0 = graph.recurrence lstm %x, %r : tensor<5x2x48xf32>, tensor<1x12x48xf32> {reverse = false} -> tensor<6x1x2x12xf32>
  // CHECK-NEXT: %1 = graph.recurrence lstm %x, %r : tensor<5x2x48xf32>, tensor<1x12x48xf32> h %h : tensor<1x2x12xf32> c %h : tensor<1x2x12xf32> peepholes %p : tensor<1x3x12xf32> {reverse = true} -> tensor<6x1x2x12xf32>
  %1 = graph.recurrence lstm %x, %r : tensor<5x2x48xf32>, tensor<1x12x48xf32> h %h : tensor<1x2x12xf32> c %h : tensor<1x2x12xf32> peepholes %p : tensor<1x3x12xf32> {reverse = true} -> tensor<6x1x2x12xf32>
  // CHECK-NEXT: %2 = graph.recurrence gru_linear %g, %w : tensor<5x2x72xf32>, tensor<2x12x36xf32> bias %b : tensor<2x12xf32> {reverse = true} -> tensor<5x2x2x12xf32>
  %2 = graph.recurrence gru_linear %g, %w : tensor<5x2x72xf32>, tensor<2x12x36xf32> bias %b : tensor<2x12xf32> {reverse = true} -> tensor<5x2x2x12xf32>
  // CHECK-NEXT: %3 = graph.recurrence lstm %x, %q : tensor<5x2x48xf32>, tensor<1x12x48xi8> scale %s : tensor<1x48xf32> sums %u : tensor<1x48xi32> zero %z : tensor<1xi32> {reverse = false} -> tensor<6x1x2x12xf32>
  %3 = graph.recurrence lstm %x, %q : tensor<5x2x48xf32>, tensor<1x12x48xi8> scale %s : tensor<1x48xf32> sums %u : tensor<1x48xi32> zero %z : tensor<1xi32> {reverse = false} -> tensor<6x1x2x12xf32>
  func.return
}
