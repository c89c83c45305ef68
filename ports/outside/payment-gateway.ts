/**
 * Every call carries a key; the same key again is the same call and gives the same result. Failing calls
 * throw OutsideError.
 */
export type Failed = Readonly<{ outcome: 'failed'; code: string; sentence: string }>;
export type Authorization =
  | Readonly<{ outcome: 'authorized'; authorizationId: string; amountMinor: number; expiresAt: string }>
  | Readonly<{ outcome: 'action_required'; authorizationId: string; url: string }>
  | Readonly<{ outcome: 'declined'; code: string; sentence: string }>;
export type Capture = Readonly<{ outcome: 'captured'; captureId: string; amountMinor: number }> | Failed;
export type Void = Readonly<{ outcome: 'voided' }> | Failed;
export type Refund = Readonly<{ outcome: 'refunded'; gatewayRefundId: string; amountMinor: number }> | Failed;

export interface PaymentGateway {
  /** `token`: the shop front's payment method; undefined = the provider's default for tests. */
  authorize(
    call: Readonly<{
      key: string;
      orderId: string;
      amountMinor: number;
      currency: string;
      token?: string | undefined;
    }>,
  ): Promise<Authorization>;
  /**
   * Makes sure that nothing stays authorized, or becomes so, under `key` of an authorize call that may be
   * under way, may have been answered to nobody, or was never made. If it had been authorized the
   * authorization is answered, to be voided.
   */
  abandon(
    call: Readonly<{ key: string; orderId: string }>,
  ): Promise<Readonly<{ outcome: 'abandoned' }> | Extract<Authorization, { outcome: 'authorized' }>>;
  /** Captures part of an authorization; several captures of one are allowed up to its amount. */
  capture(
    call: Readonly<{
      key: string;
      orderId: string;
      authorizationId: string;
      amountMinor: number;
      currency: string;
    }>,
  ): Promise<Capture>;
  /** Gives back what of an authorization has not been captured. */
  void(call: Readonly<{ key: string; orderId: string; authorizationId: string }>): Promise<Void>;
  refund(
    call: Readonly<{
      key: string;
      orderId: string;
      captureId: string;
      amountMinor: number;
      currency: string;
    }>,
  ): Promise<Refund>;
}
