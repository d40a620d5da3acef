// SPDX-License-Identifier: Apache-2.0
import Dice
import Testing

@testable import ProcessControl

/// The ring against an array that keeps everything: random steps, and after each the two say the same.
@Suite struct OutputRingModelTests {
    private struct Model {
        var stream: [UInt8] = []
        var start = 0
        var capacity: Int
        var count: Int { stream.count - start }
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>) func saysWhatAnArraySays(_ seed: UInt64) {
        var dice = Dice(seed: seed)
        let capacity = Int.random(in: 1...64, using: &dice)
        var model = Model(capacity: capacity)
        var ring = OutputRing(capacity: capacity)
        for _ in 0..<400 {
            switch Int.random(in: 0..<20, using: &dice) {
            case 0: grow(&ring, &model, &dice)
            case 1...4: discard(&ring, &model, &dice)
            case 5...8 where ring.room > 0: fill(&ring, &model, overwriting: false, &dice)
            default: fill(&ring, &model, overwriting: true, &dice)
            }
            #expect([ring.start, ring.end, ring.count] == [model.start, model.stream.count, model.count])
            #expect([ring.capacity, ring.room] == [model.capacity, model.capacity - model.count])
            #expect(ring.bytes(from: model.start, limit: .max) == Array(model.stream[model.start...]))
            guard model.count > 0 else { continue }
            let from = Int.random(in: model.start..<model.stream.count, using: &dice)
            let limit = Int.random(in: 1...80, using: &dice)
            #expect(ring.bytes(from: from, limit: limit) == Array(model.stream[from...].prefix(limit)))
            #expect(
                ring.withBytes(from: from, limit: limit) { Array($0) } == Array(model.stream[from...].prefix(limit)))
        }
    }

    private func fill(_ ring: inout OutputRing, _ model: inout Model, overwriting: Bool, _ dice: inout Dice) {
        let most = min(Int.random(in: 1...80, using: &dice), overwriting ? .max : ring.room)
        let bytes = (0..<most).map { _ in UInt8.random(in: 0...255, using: &dice) }
        let gives = Int.random(in: 0...most, using: &dice)
        var asked = 0
        let taken = ring.fill(most: most) { buffer in
            asked = buffer.count
            let count = min(gives, buffer.count)
            for index in 0..<count { buffer[index] = bytes[index] }
            return count
        }
        #expect((1...most).contains(asked))
        #expect(overwriting || asked <= model.capacity - model.count)
        #expect(taken == min(gives, asked))
        model.stream += bytes.prefix(taken)
        model.start = max(model.start, model.stream.count - model.capacity)
    }

    private func discard(_ ring: inout OutputRing, _ model: inout Model, _ dice: inout Dice) {
        let offset = Int.random(in: max(0, model.start - 10)...model.stream.count + 5, using: &dice)
        ring.discard(before: offset)
        model.start = min(max(model.start, offset), model.stream.count)
    }

    private func grow(_ ring: inout OutputRing, _ model: inout Model, _ dice: inout Dice) {
        let extra = Int.random(in: 1...30, using: &dice)
        ring.grow(by: extra)
        model.capacity = max(model.capacity, model.count + extra)
    }
}
