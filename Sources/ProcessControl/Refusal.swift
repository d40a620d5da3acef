// SPDX-License-Identifier: Apache-2.0
public import Kernel
public import SystemPackage

/// Why a request was not carried out. Each case has its code on the wire.
public enum Refusal: Error {
    /// `forgotten`: there was one, but its record is gone.
    case noSuchProcess(ProcessReference, forgotten: Bool)
    case spawnFailed(LaunchFailure, path: [UInt8]?)
    /// No process: it was to take a connection over.
    case execFailed(LaunchFailure, path: [UInt8]?, process: Int?)
    /// exec-replace of a running program, not tried.
    case notReplaceable(ReplaceRefusal, process: Int, state: ProcessState)
    /// The same, tried. `hasDied`: past the point from which execve(2) cannot return; else the old program goes on.
    case replaceFailed(ReplaceStage, Errno, path: [UInt8]?, process: Int, hasDied: Bool)
    case wrongState(reason: String, process: Int?, state: ProcessState?)
    case nameTaken(name: String, process: Int)
    case limitReached(name: String, maximum: Int)
    case streamClosed(process: Int, stream: String)
}

/// How a caller names one process.
public enum ProcessReference: Hashable, Sendable {
    case id(Int)
    case name(String)
}

/// How a caller names several.
public enum ProcessSelector {
    case these([ProcessReference])
    case labels([(String, String)])
    case all
}
