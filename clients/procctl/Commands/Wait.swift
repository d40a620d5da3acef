// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import JSON

/// `procctl wait`.
struct Wait: ConnectedCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait until processes have exited, and end with their status.",
        discussion: """
            Says one line for each that is done. Exit status: of one process its own (128+N for signal N), of several \
            0 if all are 0, else 1; 124 when --timeout has passed first. Any number may wait, also after the fact. When \
            standard error is a terminal, a line there tells how many are done and for how long this has taken.
            """)

    @OptionGroup var selector: SelectorOptions

    @Flag(help: "Until the first one is done.")
    var any = false

    @Flag(help: "Until one ends with a code other than 0 or by a signal, or else all.")
    var firstFailure = false

    @Flag(help: "Until their captured output has ended too.")
    var drained = false

    @Option(name: [.customShort("t"), .long], help: ArgumentHelp("Wait no longer than this.", valueName: "duration"))
    var timeout: Milliseconds?

    @Flag(name: [.customShort("q"), .long], help: "Say nothing.")
    var quiet = false

    @OptionGroup var server: ServerOptions

    func validate() throws {
        if any, firstFailure { throw ValidationError("Give either --any or --first-failure.") }
    }

    func run() throws {
        var request = SpawnRequest()
        request.set("processes", selector.json)
        if any { request.set("mode", "any") }
        if firstFailure { request.set("mode", "first-failure") }
        if drained { request.set("until", "drained") }
        request.set("timeout_ms", timeout?.json)
        let client = try server.connect()
        let id = try client.send("wait", request.params)
        let result: JSONValue
        if !quiet, !server.json, Progress.isShown {
            var progress = try Progress(client, selector.json, drained ? "drained" : "exited")
            result = try progress.answer(to: id)
        } else {
            result = try client.answer(to: id)
        }
        let done = result["done"]?.elements ?? []
        if server.json {
            try Output.json(result)
        } else if !quiet {
            for record in done { try Output.line(RecordText.ending(record)) }
        }
        if result["timed_out"]?.boolean == true { Glibc.exit(Status.timedOut) }
        Glibc.exit(status(of: done, pending: result["pending"]?.count ?? 0))
    }

    private func status(of done: [JSONValue], pending: Int) -> CInt {
        let statuses = done.map { ExitStatus.of($0) ?? Status.refused }
        if statuses.count == 1, any || pending == 0 { return statuses[0] }
        return statuses.allSatisfy { $0 == 0 } ? 0 : Status.refused
    }
}
