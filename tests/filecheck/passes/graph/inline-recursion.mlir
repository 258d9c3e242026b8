// RUN: not --exit 1 vcc-opt %s -p inline 2>&1 | filecheck %s

// CHECK: error[VCC-E0107]: the function @again calls itself
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = func.call @again(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}

func.func private @again(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = func.call @again(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}
