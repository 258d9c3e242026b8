// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' --split-input-file | filecheck %s

// Constant weights lie in panels of equal width, about 64 columns with few to spare: two of 48 here. All of K is in one
// product.

// CHECK-LABEL: @panels
// CHECK: tensor<9600xf32>
// CHECK: visa.load "{k:4800} b0(1), b1[4800*%0](1)
// CHECK: visa.mmad "{m:m 5, n:n 48, k:k 100} b0(48,1,0), b1(100,0,1), b2(0,1,48)
// CHECK: visa.drain "{m:5, n:%0 max 48}
func.func @panels(%a: tensor<20x100xf32>) -> tensor<20x90xf32> {
  %b = weights.constant dense<1.0> : tensor<100x90xf32>
  %c = graph.matmul %a, %b : (tensor<20x100xf32>, tensor<100x90xf32>) -> tensor<20x90xf32>
  func.return %c : tensor<20x90xf32>
}

// -----

// One panel of 80 columns leaves none to spare.

// CHECK-LABEL: @eighty
// CHECK: visa.mmad "{m:m {{[0-9]+}}, n:n 80, k:k 100}
func.func @eighty(%a: tensor<20x100xf32>) -> tensor<20x80xf32> {
  %b = weights.constant dense<1.0> : tensor<100x80xf32>
  %c = graph.matmul %a, %b : (tensor<20x100xf32>, tensor<100x80xf32>) -> tensor<20x80xf32>
  func.return %c : tensor<20x80xf32>
}

// -----

// 256 x 32 numbers stay in the first cache for all rows, 256 x 64 do not, ...

// CHECK-LABEL: @near
// CHECK: visa.mmad "{m:m {{[0-9]+}}, {{(panel:n [0-9]+, )?}}n:n 32, k:k 256}
func.func @near(%a: tensor<32x256xf32>) -> tensor<32x256xf32> {
  %b = weights.constant dense<1.0> : tensor<256x256xf32>
  %c = graph.matmul %a, %b : (tensor<32x256xf32>, tensor<256x256xf32>) -> tensor<32x256xf32>
  func.return %c : tensor<32x256xf32>
}

// -----

// ... which does not matter to few rows.

// CHECK-LABEL: @few_rows
// CHECK: visa.mmad "{m:m {{[0-9]+}}, {{(panel:n [0-9]+, )?}}n:n 64, k:k 256}
func.func @few_rows(%a: tensor<4x256xf32>) -> tensor<4x256xf32> {
  %b = weights.constant dense<1.0> : tensor<256x256xf32>
  %c = graph.matmul %a, %b : (tensor<4x256xf32>, tensor<256x256xf32>) -> tensor<4x256xf32>
  func.return %c : tensor<4x256xf32>
}

// -----

// Of bytes, four k of a column are neighbours; so they are in a.

// CHECK-LABEL: @bytes
// CHECK: visa.mmad "{m:m 5, n:n 48, ko:k 25, ki:k 4} b0(48,1,0,0), b1(100,0,4,1), b2(0,4,192,1)
func.func @bytes(%a: tensor<20x100xui8>) -> tensor<20x90xi32> {
  %b = weights.constant dense<1> : tensor<100x90xi8>
  %c = graph.matmul %a, %b : (tensor<20x100xui8>, tensor<100x90xi8>) -> tensor<20x90xi32>
  func.return %c : tensor<20x90xi32>
}

// -----

// K = 101 has them with rows of zeros behind it.

// CHECK-LABEL: @odd_bytes
// CHECK: visa.load "{m:5, k:104 in 0..101}
// CHECK: visa.mmad "{m:m 5, n:n 48, ko:k 26, ki:k 4} b0(48,1,0,0), b1(104,0,4,1), b2(0,4,192,1)
func.func @odd_bytes(%a: tensor<20x101xui8>) -> tensor<20x90xi32> {
  %b = weights.constant dense<1> : tensor<101x90xi8>
  %c = graph.matmul %a, %b : (tensor<20x101xui8>, tensor<101x90xi8>) -> tensor<20x90xi32>
  func.return %c : tensor<20x90xi32>
}

// -----

// A matrix that is no constant stays as it is.

// CHECK-LABEL: @input
// CHECK: visa.load "{k:100, n:%0 max 16} b0(16,1), b1[16*%1](90,1)
// CHECK: visa.mmad "{m:m 20, n:n %0 max 16, k:k 100}
func.func @input(%a: tensor<20x100xf32>, %b: tensor<100x90xf32>) -> tensor<20x90xf32> {
  %c = graph.matmul %a, %b : (tensor<20x100xf32>, tensor<100x90xf32>) -> tensor<20x90xf32>
  func.return %c : tensor<20x90xf32>
}
