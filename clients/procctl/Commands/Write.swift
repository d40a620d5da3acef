// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON
import SystemPackage

/// `procctl write`.
struct Write: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "write",
        abstract: "Write to the standard input of a process, or type into its terminal.",
        discussion: """
            Data is taken as it is, without a newline of ours. Without data, or with -, it comes from standard input \
            until that ends; the process taking it slowly makes this command wait. A process can be written to when it \
            was spawned with --stdin pipe or --pty.
            """,
        aliases: ["send"])

    @Argument(help: "An id or a name.", completion: .custom { _, _, _ in Candidates.processes() })
    var process: ProcessWord

    @Argument(help: "What to write, or - for standard input.")
    var data: String?

    @Flag(name: [.customShort("n"), .long], help: "A newline behind it.")
    var newline = false

    @Flag(help: "Then end its input; without data nothing else. A terminal gets its end-of-file key.")
    var eof = false

    @OptionGroup var server: ServerOptions

    func run() throws {
        let client = try server.connect()
        var result: JSONValue?
        if data == "-" || data == nil && !eof {
            while let bytes = try Input.next() { result = try write(bytes, client) }
        } else if let data {
            result = try write(ExactText.bytes(of: data), client)
        }
        if newline { result = try write([UInt8(ascii: "\n")], client) }
        if eof { result = try client.call("write", [("process", process.json), ("eof", true)]) }
        if server.json, let result { try Output.json(result) }
    }

    private func write(_ bytes: [UInt8], _ client: Client) throws(Failure) -> JSONValue {
        try client.call("write", [("process", process.json), ("data", JSONValue.bytes(bytes))])
    }
}
