// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// The key that, pressed often enough, is meant for this command and not for the program.
enum EscapeWord: ExpressibleByArgument {
    case none
    case key(UInt8)

    /// `none`, or a control character as in `^]`.
    init?(argument: String) {
        if argument == "none" {
            self = .none
            return
        }
        let bytes = Array(argument.uppercased().utf8)
        guard bytes.count == 2, bytes[0] == UInt8(ascii: "^"), (0x40...0x5F).contains(bytes[1]) else { return nil }
        self = .key(bytes[1] & 0x1F)
    }

    /// As it is given, in the help.
    var defaultValueDescription: String {
        switch self {
        case .none: "none"
        case .key(let key): "^" + String(UnicodeScalar(key | 0x40))
        }
    }

    /// That of telnet(1) and systemd-run(1): control and `]`.
    static let usual = EscapeWord.key(0x1D)
}

/// Finds what keys ask this command for: the escape key three times within a second leaves the program alone, twice
/// and then ^Z stops this command. The program gets escape keys that nothing followed, a second later.
struct EscapeKeys {
    enum Wish { case detach, suspend }

    private let key: UInt8?
    private var count = 0
    private var first: Int64 = 0

    init(_ word: EscapeWord) {
        if case .key(let key) = word { self.key = key } else { key = nil }
    }

    /// How many of the last keys may be the beginning of a wish.
    var pending: Int { count }

    /// The milliseconds for which they may.
    func remaining(at now: Int64) -> Int64 { max(0, first + 1000 - now) }

    /// They were meant for the program.
    mutating func forget() { count = 0 }

    /// What is asked for, and at which of the bytes.
    mutating func find(in bytes: some RandomAccessCollection<UInt8>, at now: Int64) -> (wish: Wish, offset: Int)? {
        guard let key else { return nil }
        for (offset, byte) in bytes.enumerated() {
            if count > 0, now - first > 1000 { count = 0 }
            if byte == key {
                if count == 0 { first = now }
                count += 1
                if count == 3 {
                    count = 0
                    return (.detach, offset)
                }
            } else {
                let wasTwice = count == 2
                count = 0
                if wasTwice, byte == Self.controlZ { return (.suspend, offset) }
            }
        }
        return nil
    }

    static let controlZ: UInt8 = 0x1A
}
