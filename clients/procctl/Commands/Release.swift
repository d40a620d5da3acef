// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSON

/// `procctl release`.
struct Release: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Forget exited processes and their output.",
        discussion: "One that lives and is named is refused; --all and --label take the exited ones only.")

    @OptionGroup var selector: SelectorOptions
    @OptionGroup var server: ServerOptions

    func run() throws {
        let result = try server.connect().call("release", [("processes", selector.json)])
        if server.json { return try Output.json(result) }
        for id in result["released"]?.elements ?? [] { try Output.line(id.description) }
    }
}
