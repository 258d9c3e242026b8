// RUN: vcc-opt %s -p 'form-kernels,tile-kernels{target="host-avx512"}' --split-input-file | filecheck %s

// Columns are summed side by side, in pieces of memory that are not too short and leave no rest, ...

// CHECK-LABEL: @columns
// CHECK: visa.scan.add "{i1:125, i0:scan 256}
func.func @columns(%x: tensor<256x1000xf32>) -> tensor<256x1000xf32> {
  %0 = graph.cumsum %x {axis = 0 : i64, exclusive = false, reverse = false} : (tensor<256x1000xf32>) -> tensor<256x1000xf32>
  func.return %0 : tensor<256x1000xf32>
}

// -----

// ... and longer ones where they are a multiple of 4 KiB apart.

// CHECK-LABEL: @pages
// CHECK: visa.scan.add "{i1:256, i0:scan 256}
func.func @pages(%x: tensor<256x1024xf32>) -> tensor<256x1024xf32> {
  %0 = graph.cumsum %x {axis = 0 : i64, exclusive = false, reverse = false} : (tensor<256x1024xf32>) -> tensor<256x1024xf32>
  func.return %0 : tensor<256x1024xf32>
}

// -----

// Rows that are dense need no neighbours.

// CHECK-LABEL: @rows
// CHECK: visa.scan.add "{i0:32, i1:scan 1000}
func.func @rows(%x: tensor<256x1000xf32>) -> tensor<256x1000xf32> {
  %0 = graph.cumsum %x {axis = 1 : i64, exclusive = false, reverse = false} : (tensor<256x1000xf32>) -> tensor<256x1000xf32>
  func.return %0 : tensor<256x1000xf32>
}
