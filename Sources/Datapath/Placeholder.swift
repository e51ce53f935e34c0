import NetTypes
