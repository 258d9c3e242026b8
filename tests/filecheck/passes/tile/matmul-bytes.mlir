// RUN: vcc-opt %s -p 'tile-kernels{target=host-avx2}' | filecheck %s --check-prefix HOST
// RUN: vcc-opt %s -p 'tile-kernels{target=vn1}' | filecheck %s --check-prefix VN1

// A CPU multiplies words of four bytes: the packed weights have rows of zeros behind K, and rows of the first operand are
// filled behind their end.
// HOST: visa.load "{m:5, k:16 in 0..13} b0(16,1), b1(13,1)
// HOST: visa.mmad "{m:m 5, {{.*}}ko:k 4, ki:k 4}
// An accelerator has no words, and what is computed for the product is not filled.
// VN1-NOT: in 0..13
// VN1: visa.mmad "{m:m 5, n:n {{.*}}, k:k 13}
// HOST: visa.mmad "{m:m 5, {{.*}}k:k 13}

func.func @main(%x: tensor<5x13xui8>, %f: tensor<5x13xf32>) -> (tensor<5x40xi32>, tensor<5x40xi32>) {
  %w = weights.constant dense<1> : tensor<13x40xi8>
  %0 = graph.kernel %x, %w {kind = "matmul"} : (tensor<5x13xui8>, tensor<13x40xi8>) -> tensor<5x40xi32> {
  ^bb0(%a: tensor<5x13xui8>, %b: tensor<13x40xi8>):
    %2 = graph.matmul %a, %b : (tensor<5x13xui8>, tensor<13x40xi8>) -> tensor<5x40xi32>
    graph.yield %2 : tensor<5x40xi32>
  }
  %1 = graph.kernel %f, %w {kind = "matmul"} : (tensor<5x13xf32>, tensor<13x40xi8>) -> tensor<5x40xi32> {
  ^bb0(%a: tensor<5x13xf32>, %b: tensor<13x40xi8>):
    %2 = graph.cast %a : (tensor<5x13xf32>) -> tensor<5x13xui8>
    %3 = graph.matmul %2, %b : (tensor<5x13xui8>, tensor<13x40xi8>) -> tensor<5x40xi32>
    graph.yield %3 : tensor<5x40xi32>
  }
  func.return %0, %1 : tensor<5x40xi32>, tensor<5x40xi32>
}
