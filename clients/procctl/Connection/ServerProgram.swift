// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where the server's program is: `$PROCCTLD`, beside this program, or on PATH.
enum ServerProgram {
    static func find() -> String {
        if let named = Environment.value("PROCCTLD"), !named.isEmpty { return named }
        if let beside = besideUs(), access(beside, X_OK) == 0 { return beside }
        return "procctld"
    }

    private static func besideUs() -> String? {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = target.withUnsafeMutableBytes { room in
            room.assumingMemoryBound(to: CChar.self).baseAddress.map { readlink("/proc/self/exe", $0, room.count) }
                ?? -1
        }
        guard length > 0, let slash = target[..<length].lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return String(decoding: target[...slash], as: UTF8.self) + "procctld"
    }
}
