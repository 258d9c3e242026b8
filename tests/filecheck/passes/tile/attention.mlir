// RUN: vcc-opt %s -p 'tile-kernels{target=vn1}' | filecheck %s
// RUN: vcc-opt %s -p 'tile-kernels{target="%{root}/tests/support/tiny.toml"},multi-buffer,insert-events,allocate-buffers' | filecheck %s --check-prefix ONLINE

// All keys fit: no loop, and the product with the values is divided by the sums as it leaves the accumulator. What is
// stored is the result alone, transposed.

// CHECK-LABEL: visa.kernel @attention_0
// CHECK-NOT: scf.for
// CHECK: visa.load {{.*}}l0a
// CHECK: visa.load {{.*}}l0b
// CHECK: visa.mmad {{.*}}l0c
// CHECK: visa.load {{.*}}ub
// CHECK: visa.drain {{.*}}scale=0.5, residual=
// CHECK-NEXT: alloc
// CHECK-NEXT: alloc
// CHECK-NEXT: visa.reduce.max
// CHECK-NEXT: visa.sub
// CHECK-NEXT: visa.exp
// CHECK-NEXT: visa.reduce.add
// CHECK-NEXT: visa.recip
// CHECK: visa.mov {{.*}}l0a{{.*}}ub
// CHECK: visa.load {{.*}}l0b
// CHECK: visa.mmad
// CHECK: visa.drain {{.*}}scale=b2
// CHECK: visa.store "{m:16, n:8} b0[8*%0](16,1)
// CHECK-NOT: visa.store

// They do not: maximum, sum and result so far stay in ub over the blocks of keys, and only the vector pipe touches them
// there.

// ONLINE-LABEL: visa.kernel @attention_0
// ONLINE: scf.for
// ONLINE-NOT: scf.for
// ONLINE: visa.reduce.max {{.*}}zero=0
// ONLINE: visa.exp
// ONLINE: visa.mul
// ONLINE: visa.reduce.add {{.*}}zero=0
// ONLINE: visa.mov
// ONLINE: visa.mmad
// ONLINE: visa.mul
// ONLINE: visa.drain {{.*}}residual=b0
// ONLINE: {visa.kind = "seq"}
// ONLINE: visa.div
// ONLINE: visa.wait
// ONLINE: visa.store

func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x60x8xf32>, %v: tensor<2x60x8xf32>, %m: tensor<60xf32>) -> tensor<16x2x8xf32> {
  %0 = graph.kernel %q, %k, %v, %m {kind = "attention"} : (tensor<2x16x8xf32>, tensor<2x60x8xf32>, tensor<2x60x8xf32>, tensor<60xf32>) -> tensor<16x2x8xf32> {
  ^bb0(%a: tensor<2x16x8xf32>, %b: tensor<2x60x8xf32>, %c: tensor<2x60x8xf32>, %d: tensor<60xf32>):
    %1 = graph.attention %a, %b, %c, %d {scale = 0.5 : f32} : (tensor<2x16x8xf32>, tensor<2x60x8xf32>, tensor<2x60x8xf32>, tensor<60xf32>) -> tensor<2x16x8xf32>
    %2 = graph.transpose %1 {perm = array<i64: 1, 0, 2>} : (tensor<2x16x8xf32>) -> tensor<16x2x8xf32>
    graph.yield %2 : tensor<16x2x8xf32>
  }
  func.return %0 : tensor<16x2x8xf32>
}
