// RUN: vcc-opt %s -p 'tile-kernels{target=vn1}' | filecheck %s --check-prefix WHOLE
// RUN: vcc-opt %s -p 'tile-kernels{target="%{root}/tests/support/tiny.toml"},multi-buffer,insert-events,allocate-buffers' | filecheck %s

// A row that fits is loaded once.
// WHOLE-LABEL: visa.kernel @softmax_0
// WHOLE: visa.load
// WHOLE-NOT: visa.load
// WHOLE-LABEL: visa.kernel @layer_norm_0

// One that does not: a sweep for maximum and sum, a sweep for the result. Both numbers stay in ub, and only the vector
// pipe touches them, so that no event is about them.
// CHECK-LABEL: visa.kernel @softmax_0
// CHECK-NOT: visa.event {{.*}}top
// CHECK: visa.copy "{{.*}}-3.4028234663852886e+38
// CHECK: visa.copy "{{.*}}0.0
// CHECK: scf.for
// CHECK: visa.load
// CHECK: visa.reduce.max {{.*}}zero=0
// CHECK: visa.exp
// CHECK: visa.mul
// CHECK: visa.exp
// CHECK: visa.reduce.add {{.*}}zero=0
// CHECK-NOT: visa.store
// CHECK: scf.for
// CHECK: visa.load
// CHECK: visa.sub
// CHECK: visa.exp
// CHECK: visa.div
// CHECK: visa.relu
// CHECK: visa.store
// CHECK-LABEL: visa.kernel @layer_norm_0
// CHECK-COUNT-3: scf.for
// CHECK-NOT: scf.for
// CHECK: visa.store

func.func @main(%x: tensor<2x2311xf32>, %s: tensor<2311xf32>, %b: tensor<2311xf32>) -> (tensor<2x2311xf32>, tensor<2x2311xf32>) {
  %0 = graph.kernel %x {kind = "softmax"} : (tensor<2x2311xf32>) -> tensor<2x2311xf32> {
  ^bb0(%a: tensor<2x2311xf32>):
    %2 = graph.softmax %a {axis = 1 : i64} : (tensor<2x2311xf32>) -> tensor<2x2311xf32>
    %3 = graph.unary relu %2 : (tensor<2x2311xf32>) -> tensor<2x2311xf32>
    graph.yield %3 : tensor<2x2311xf32>
  }
  %1 = graph.kernel %x, %s, %b {kind = "layer_norm"} : (tensor<2x2311xf32>, tensor<2311xf32>, tensor<2311xf32>) -> tensor<2x2311xf32> {
  ^bb0(%a: tensor<2x2311xf32>, %c: tensor<2311xf32>, %d: tensor<2311xf32>):
    %2 = graph.layer_norm %a, %c, %d {axis = 1 : i64, epsilon = 1.0e-5 : f32} : (tensor<2x2311xf32>, tensor<2311xf32>, tensor<2311xf32>) -> tensor<2x2311xf32>
    graph.yield %2 : tensor<2x2311xf32>
  }
  func.return %0, %1 : tensor<2x2311xf32>, tensor<2x2311xf32>
}
