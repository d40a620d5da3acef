// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON
import JSONRPC

/// `procctl call`: any method, in its own words.
struct Call: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "call",
        abstract: "Call a method by its name, with params in JSON, and print the result in JSON.",
        discussion: """
            An object names the params, an array gives them by position. Descriptors given by --fd are those that \
            {"fd": 0}, {"fd": 1}, … name. Output is indented on a terminal and one line anywhere else.
            """)

    @Argument(help: "The method.", completion: .custom { _, _, _ in Candidates.methods() })
    var method: String

    @Argument(help: "Params in JSON, or - to read them from standard input.")
    var params: String?

    @Option(name: .customLong("fd"), help: ArgumentHelp("Pass this descriptor along (repeatable).", valueName: "n"))
    var descriptors: [CInt] = []

    @OptionGroup var server: ServerOptions

    func run() throws {
        var request = SpawnRequest()
        for number in descriptors { _ = try request.index(of: number) }
        let value = try parsedParams()
        let client = try server.connect(autostart: method != "shutdown")
        let id = try client.send(method, value, descriptors: request.descriptors)
        try Output.json(try client.answer(to: id))
    }

    private func parsedParams() throws(Failure) -> JSONValue? {
        guard let params else { return nil }
        let bytes = params == "-" ? try Input.all() : ExactText.bytes(of: params)
        do {
            return try JSONValue.parse(bytes)
        } catch {
            throw Failure("the params are no JSON: \(error)", status: Status.usage)
        }
    }
}
