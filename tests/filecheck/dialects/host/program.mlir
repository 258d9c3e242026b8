// RUN: vcc-opt %s | vcc-opt | filecheck %s

// CHECK:      visa.kernel @relu
visa.kernel @relu(%x: !visa.gm<f32, 32, in>, %y: !visa.gm<f32, 32, out>) sources 1 taps (tensor<1x32xf32>) {
}

// CHECK:      host.program arena 256 bound 256 {
// CHECK-NEXT:   %x = host.input "x" : !host.buffer<tensor<1x32xf32>>
// CHECK-NEXT:   %y = host.output "y" : !host.buffer<tensor<8x4xf32>>
// CHECK-NEXT:   %shape = host.constant dense<[2, 4]> : tensor<2xi64> {values = {{\[\[}}"shape"{{\]\]}}} : !host.buffer<tensor<2xi64>>
// CHECK-NEXT:   %w = host.constant #weights.blob<"00ff"> : !host.buffer<tensor<32x16xf32>>
// CHECK-NEXT:   %a = host.arena "a" at 0 live 0 to 1 : !host.buffer<tensor<1x32xf32, #graph.blocked<axis = 1, block = 16>>>
// CHECK-NEXT:   %b = host.arena "b" at 128 live 1 to 1 : !host.buffer<tensor<1x32xf32>>
// CHECK-NEXT:   %c = host.arena "c" at 128 live 2 to 3 : !host.buffer<tensor<1x32xf32>>
// CHECK-NEXT:   %d = host.view %c : !host.buffer<tensor<1x32xf32>> to !host.buffer<tensor<8x4xf32>>
// CHECK-NEXT:   host.launch @relu(%x) -> (%a) {sources = {{\[\[}}"Relu_0"{{\]\]}}, taps = ["a"]} :
// CHECK-SAME:     (!host.buffer<tensor<1x32xf32>>) -> (!host.buffer<tensor<1x32xf32, #graph.blocked<axis = 1, block = 16>>>)
// CHECK-NEXT:   host.launch @relu(%a) -> (%b) {sources = {{\[\[}}"Relu_1"{{\]\]}}, taps = [""]}
// CHECK-NEXT:   host.launch @relu(%b) -> (%c) {sources = {{\[\[}}"Relu_2", "Copy"{{\]\]}}, taps = ["c"]}
// CHECK-NEXT:   host.call "Unique"(%d, %shape) -> (%y) {domain = "", version = 11 : i64, attributes = {axis = 0 : i64},
// CHECK-SAME:     input_positions = array<i64: 0, -1, 1>, output_positions = array<i64: 0>, reason = "no kernel",
// CHECK-SAME:     sources = ["Unique_3"], taps = ["y"]} :
// CHECK-SAME:     (!host.buffer<tensor<8x4xf32>>, !host.buffer<tensor<2xi64>>) -> (!host.buffer<tensor<8x4xf32>>)
// CHECK-NEXT: }
host.program arena 256 bound 256 {
  %x = host.input "x" : !host.buffer<tensor<1x32xf32>>
  %y = host.output "y" : !host.buffer<tensor<8x4xf32>>
  %shape = host.constant dense<[2, 4]> : tensor<2xi64> {values = [["shape"]]} : !host.buffer<tensor<2xi64>>
  %w = host.constant #weights.blob<"00ff"> : !host.buffer<tensor<32x16xf32>>
  %a = host.arena "a" at 0 live 0 to 1 : !host.buffer<tensor<1x32xf32, #graph.blocked<axis = 1, block = 16>>>
  // The launch that makes c turns the bytes of b into it.
  %b = host.arena "b" at 128 live 1 to 1 : !host.buffer<tensor<1x32xf32>>
  %c = host.arena "c" at 128 live 2 to 3 : !host.buffer<tensor<1x32xf32>>
  %d = host.view %c : !host.buffer<tensor<1x32xf32>> to !host.buffer<tensor<8x4xf32>>
  host.launch @relu(%x) -> (%a) {sources = [["Relu_0"]], taps = ["a"]} : (!host.buffer<tensor<1x32xf32>>) -> (!host.buffer<tensor<1x32xf32, #graph.blocked<axis = 1, block = 16>>>)
  host.launch @relu(%a) -> (%b) {sources = [["Relu_1"]], taps = [""]} : (!host.buffer<tensor<1x32xf32, #graph.blocked<axis = 1, block = 16>>>) -> (!host.buffer<tensor<1x32xf32>>)
  host.launch @relu(%b) -> (%c) {sources = [["Relu_2", "Copy"]], taps = ["c"]} : (!host.buffer<tensor<1x32xf32>>) -> (!host.buffer<tensor<1x32xf32>>)
  host.call "Unique"(%d, %shape) -> (%y) {domain = "", version = 11 : i64, attributes = {axis = 0 : i64}, input_positions = array<i64: 0, -1, 1>, output_positions = array<i64: 0>, reason = "no kernel", sources = ["Unique_3"], taps = ["y"]} : (!host.buffer<tensor<8x4xf32>>, !host.buffer<tensor<2xi64>>) -> (!host.buffer<tensor<8x4xf32>>)
}
