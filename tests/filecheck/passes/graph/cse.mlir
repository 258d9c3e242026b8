// RUN: vcc-opt %s -p cse --print-debuginfo | filecheck %s
// RUN: vcc-opt %s -p cse,dce | filecheck %s --check-prefix DCE

// CHECK-LABEL: func.func @main
// DCE-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %0 = graph.unary exp %x {values = {{\[\[}}"a", "b"]]} : (tensor<4xf32>) -> tensor<4xf32> loc(fused["first", "second"])
  %0 = graph.unary exp %x {values = [["a"]]} : (tensor<4xf32>) -> tensor<4xf32> loc("first")
  %1 = graph.unary exp %x {values = [["b"]]} : (tensor<4xf32>) -> tensor<4xf32> loc("second")
  // CHECK-NEXT: %1 = graph.binary add %0, %0
  %2 = graph.binary add %0, %1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // Random calls are never one; unused ones go.
  // CHECK-COUNT-2: graph.host "Bernoulli"
  // DCE-NOT: Bernoulli
  %3 = graph.host "Bernoulli" %x {domain = "", version = 15 : i64, attributes = {}, inputs = array<i64: 0>, outputs = array<i64: 0>, reason = ""} : (tensor<4xf32>) -> tensor<4xf32>
  %4 = graph.host "Bernoulli" %x {domain = "", version = 15 : i64, attributes = {}, inputs = array<i64: 0>, outputs = array<i64: 0>, reason = ""} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %2 : tensor<4xf32>
}
