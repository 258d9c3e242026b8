// RUN: vcc-opt %s -p 'share-kernels' --split-input-file | filecheck %s
// RUN: vcc-opt %s -p 'share-kernels{least=3}' --split-input-file | filecheck %s --check-prefix=MANY

// The factors differ and become operands; the offset is the same in both and stays.

// CHECK-LABEL: @layers
// CHECK-DAG: %[[B:.*]] = weights.constant dense<3.000000e+00> : tensor<f32>
// CHECK-DAG: %[[A:.*]] = weights.constant dense<2.000000e+00> : tensor<f32>
// CHECK: graph.kernel %x, %[[A]] {kind = "elementwise"}
// CHECK: weights.constant dense<1.000000e+00>
// CHECK: graph.kernel %{{.*}}, %[[B]] {kind = "elementwise"}
// MANY-LABEL: @layers
// MANY: graph.kernel %x {kind = "elementwise"}
func.func @layers(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = graph.kernel %x {kind = "elementwise"} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %s = weights.constant dense<2.000000e+00> : tensor<f32>
    %t = weights.constant dense<1.000000e+00> : tensor<f32>
    %1 = graph.binary mul %a, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    %2 = graph.binary add %1, %t : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    graph.yield %2 : tensor<8xf32>
  }
  %3 = graph.kernel %0 {kind = "elementwise"} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %s = weights.constant dense<3.000000e+00> : tensor<f32>
    %t = weights.constant dense<1.000000e+00> : tensor<f32>
    %1 = graph.binary mul %a, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    %2 = graph.binary add %1, %t : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    graph.yield %2 : tensor<8xf32>
  }
  func.return %3 : tensor<8xf32>
}

// -----

// One constant used twice is two numbers: other kernels have two different ones there.

// CHECK-LABEL: @twice
// CHECK-DAG: %[[B:.*]] = weights.constant dense<3.000000e+00> : tensor<f32>
// CHECK-DAG: %[[A:.*]] = weights.constant dense<2.000000e+00> : tensor<f32>
// CHECK: graph.kernel %x, %[[A]]
// CHECK: graph.kernel %{{.*}}, %[[B]]
func.func @twice(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = graph.kernel %x {kind = "elementwise"} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %s = weights.constant dense<2.000000e+00> : tensor<f32>
    %1 = graph.binary mul %a, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    %2 = graph.binary add %1, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    graph.yield %2 : tensor<8xf32>
  }
  %3 = graph.kernel %0 {kind = "elementwise"} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %s = weights.constant dense<3.000000e+00> : tensor<f32>
    %t = weights.constant dense<2.000000e+00> : tensor<f32>
    %1 = graph.binary mul %a, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    %2 = graph.binary add %1, %t : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    graph.yield %2 : tensor<8xf32>
  }
  func.return %3 : tensor<8xf32>
}

// -----

// Left alone: equal kernels, and those that differ in more than numbers.

// CHECK-LABEL: @others
// CHECK-NEXT: graph.kernel %x {kind = "elementwise"}
// CHECK: graph.kernel %{{.*}} {kind = "elementwise"}
// CHECK: graph.kernel %{{.*}} {kind = "elementwise"}
func.func @others(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = graph.kernel %x {kind = "elementwise"} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %s = weights.constant dense<2.000000e+00> : tensor<f32>
    %1 = graph.binary mul %a, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    graph.yield %1 : tensor<8xf32>
  }
  %2 = graph.kernel %0 {kind = "elementwise"} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %s = weights.constant dense<2.000000e+00> : tensor<f32>
    %1 = graph.binary mul %a, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    graph.yield %1 : tensor<8xf32>
  }
  %3 = graph.kernel %2 {kind = "elementwise"} : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    %s = weights.constant dense<3.000000e+00> : tensor<f32>
    %1 = graph.binary add %a, %s : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
    graph.yield %1 : tensor<8xf32>
  }
  func.return %3 : tensor<8xf32>
}
