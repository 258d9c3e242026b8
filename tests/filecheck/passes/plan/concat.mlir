// RUN: vcc-opt %s -p plan-arena,lower-to-host | filecheck %s
// RUN: vcc-opt %s -p plan-arena,lower-to-host | vcc-opt | filecheck %s

visa.kernel @f(%p0: !visa.gm<f32, 32, in>, %p1: !visa.gm<f32, 32, out>) sources 0 taps () {
}
visa.kernel @g(%p0: !visa.gm<f32, 48, in>, %p1: !visa.gm<f32, 64, out>) sources 0 taps () {
}

// Both operands are written into the concatenation, which lives from the first one on; the slice is read inside it.

// CHECK:      host.program arena 256 bound 256 {
// CHECK:        %[[C:.*]] = host.arena "joined" at 0 live 0 to 2 : !host.buffer<tensor<4x16xf32>>
// CHECK-NEXT:   %[[A:.*]] = host.view %[[C]] at 0 : !host.buffer<tensor<4x16xf32>> to !host.buffer<tensor<2x16xf32>>
// CHECK-NEXT:   %[[B:.*]] = host.view %[[C]] at 128 : !host.buffer<tensor<4x16xf32>> to !host.buffer<tensor<2x16xf32>>
// CHECK-NEXT:   %[[S:.*]] = host.view %[[C]] at 64 : !host.buffer<tensor<4x16xf32>> to !host.buffer<tensor<3x16xf32>>
// CHECK-NEXT:   host.launch @f(%{{.*}}) -> (%[[A]])
// CHECK-NEXT:   host.launch @f(%{{.*}}) -> (%[[B]])
// CHECK-NEXT:   host.launch @g(%[[S]]) -> (%{{.*}})
func.func @main(%x: tensor<2x16xf32>) -> tensor<4x16xf32> {
  %a = visa.launch @f(%x) {sources = [], taps = []} : (tensor<2x16xf32>) -> tensor<2x16xf32>
  %b = visa.launch @f(%x) {sources = [], taps = []} : (tensor<2x16xf32>) -> tensor<2x16xf32>
  %c = graph.concat %a, %b {axis = 0 : i64, values = [["joined"]]} : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<4x16xf32>
  %s = graph.slice %c {starts = array<i64: 1, 0>, sizes = array<i64: 3, 16>, steps = array<i64: 1, 1>} : (tensor<4x16xf32>) -> tensor<3x16xf32>
  %y = visa.launch @g(%s) {sources = [], taps = []} : (tensor<3x16xf32>) -> tensor<4x16xf32>
  func.return %y : tensor<4x16xf32>
}
