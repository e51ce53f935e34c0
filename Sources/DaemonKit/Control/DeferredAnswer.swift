/// The answer to one request of a control client, given later. Given once; it goes nowhere when the client has left.
public struct DeferredAnswer<Result: Encodable> {
  let send: (Swift.Result<Result, ControlError>) -> Void

  public func callAsFunction(_ outcome: Swift.Result<Result, ControlError>) { send(outcome) }
}
