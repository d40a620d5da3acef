// SPDX-License-Identifier: Apache-2.0

/// Which modes of the screen a program has turned on or off, so that they can be turned back when it is left behind:
/// without this a shell would get reports of the mouse, or have no cursor.
struct ScreenModes {
    /// DEC private modes as a terminal has them at rest; those not named here are left as they are.
    private static let atRest: [Int: Bool] = [
        1: false, 7: true, 12: false, 25: true, 47: false, 66: false, 1000: false, 1002: false, 1003: false,
        1004: false, 1005: false, 1006: false, 1015: false, 1047: false, 1049: false, 2004: false, 2026: false,
    ]

    private var scanner = ControlScanner()
    private var changed: Set<Int> = []
    private var keypad = false
    private var attributes = false

    /// Looks at what goes to the screen.
    mutating func note(_ bytes: [UInt8]) {
        var scanner = scanner
        scanner.scan(bytes) { piece in
            if case .sequence(let sequence) = piece { note(sequence) }
        }
        self.scanner = scanner
    }

    private mutating func note(_ sequence: ArraySlice<UInt8>) {
        let rest = sequence.dropFirst()
        switch rest.first {
        case UInt8(ascii: "="): keypad = true
        case UInt8(ascii: ">"): keypad = false
        case UInt8(ascii: "c"):
            (changed, keypad, attributes) = ([], false, false)
        case UInt8(ascii: "["):
            let body = String(decoding: rest.dropFirst().dropLast(), as: UTF8.self)
            switch rest.last {
            case UInt8(ascii: "m"): attributes = !["", "0"].contains(body)
            case UInt8(ascii: "h") where body.hasPrefix("?"): set(body.dropFirst(), true)
            case UInt8(ascii: "l") where body.hasPrefix("?"): set(body.dropFirst(), false)
            default: break
            }
        default: break
        }
    }

    private mutating func set(_ modes: Substring, _ value: Bool) {
        for mode in modes.split(separator: ";").compactMap({ Int($0) }) {
            guard let rest = Self.atRest[mode] else { continue }
            if value == rest { changed.remove(mode) } else { changed.insert(mode) }
        }
    }

    /// What brings the screen to rest; empty when it is.
    var leave: [UInt8] {
        var text = attributes ? "\u{1B}[m" : ""
        // The other screen last: what belongs to it is turned off on it.
        for mode in changed.sorted() { text += "\u{1B}[?\(mode)" + (Self.atRest[mode] == true ? "h" : "l") }
        if keypad { text += "\u{1B}>" }
        return Array(text.utf8)
    }

    /// What undoes `leave`.
    var enter: [UInt8] {
        var text = keypad ? "\u{1B}=" : ""
        for mode in changed.sorted().reversed() { text += "\u{1B}[?\(mode)" + (Self.atRest[mode] == true ? "l" : "h") }
        return Array(text.utf8)
    }
}
