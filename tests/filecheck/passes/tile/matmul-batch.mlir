// RUN: vcc-opt %s -p 'tile-kernels{target=host-avx2}' | filecheck %s

// Small products share a tile. With the second operand in common they are rows of one product, ...
// CHECK-LABEL: visa.kernel @matmul_0
// CHECK: visa.mmad "{b0:m {{.*}}, n:n 8, k:k 8}
// ... otherwise they lie side by side.
// CHECK-LABEL: visa.kernel @matmul_1
// CHECK: visa.mmad "{b0:{{.*}}, m:m 4, n:n 8, k:k 8}
// Bytes of two tensors are multiplied as words of four, and what is left of K after them.
// CHECK-LABEL: visa.kernel @matmul_2
// CHECK: visa.mmad "{b0:2, m:m 3, n:n 8, k:k 12}
// CHECK-NEXT: visa.mmad "{b0:2, m:m 3, n:n 8} b0(24,8,1), b1[12](39,13,0), b2[96](104,0,1), zero=0

func.func @main(%x: tensor<4096x1x8xf32>, %w: tensor<8x8xf32>, %y: tensor<4096x4x8xf32>, %z: tensor<4096x8x8xf32>, %u: tensor<2x9x13xui8>, %v: tensor<2x13x8xi8>) -> (tensor<4096x1x8xf32>, tensor<4096x4x8xf32>, tensor<2x9x8xi32>) {
  %0 = graph.kernel %x, %w {kind = "matmul"} : (tensor<4096x1x8xf32>, tensor<8x8xf32>) -> tensor<4096x1x8xf32> {
  ^bb0(%a: tensor<4096x1x8xf32>, %b: tensor<8x8xf32>):
    %2 = graph.matmul %a, %b : (tensor<4096x1x8xf32>, tensor<8x8xf32>) -> tensor<4096x1x8xf32>
    graph.yield %2 : tensor<4096x1x8xf32>
  }
  %1 = graph.kernel %y, %z {kind = "matmul"} : (tensor<4096x4x8xf32>, tensor<4096x8x8xf32>) -> tensor<4096x4x8xf32> {
  ^bb0(%a: tensor<4096x4x8xf32>, %b: tensor<4096x8x8xf32>):
    %2 = graph.matmul %a, %b : (tensor<4096x4x8xf32>, tensor<4096x8x8xf32>) -> tensor<4096x4x8xf32>
    graph.yield %2 : tensor<4096x4x8xf32>
  }
  %3 = graph.kernel %u, %v {kind = "matmul"} : (tensor<2x9x13xui8>, tensor<2x13x8xi8>) -> tensor<2x9x8xi32> {
  ^bb0(%a: tensor<2x9x13xui8>, %b: tensor<2x13x8xi8>):
    %2 = graph.matmul %a, %b : (tensor<2x9x13xui8>, tensor<2x13x8xi8>) -> tensor<2x9x8xi32>
    graph.yield %2 : tensor<2x9x8xi32>
  }
  func.return %0, %1, %3 : tensor<4096x1x8xf32>, tensor<4096x4x8xf32>, tensor<2x9x8xi32>
}
